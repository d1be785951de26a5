import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, globSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { installed, must, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

/** Node alone has 120 MB to copy and to strip, on a machine that may be busy. */
const WITHIN_MS = 600_000
const IN_ROOT = join(REPOSITORY, 'test', 'systemd', 'in-root.sh')
const DPKG_LIFE = join(REPOSITORY, 'test', 'systemd', 'dpkg-life.sh')
const withDpkg = installed('dpkg-deb') ? test.serial : test.serial.skip
/** Namespaces of its own, in which this user is root. */
const NAMESPACES = ['--user', '--map-root-user', '--mount', '--net']
const canUnshare = installed('unshare') && (await run('unshare', [...NAMESPACES, 'true'])).code === 0
const withNamespaces = canUnshare ? test.serial : test.serial.skip
const asRoot = process.getuid?.() === 0 && installed('dpkg') && canUnshare ? test.serial : test.serial.skip

async function install(destination: string, prefix: string): Promise<void> {
  const words = [`DESTDIR=${destination}`, `PREFIX=${prefix}`]
  await must('env', [...words, join(REPOSITORY, 'scripts', 'install-tree.sh')])
}

/** Makes the package, hardly compressed, and gives its path. */
async function makePackage(folder: string): Promise<string> {
  const words = ['DEB_LEVEL=0', 'SOURCE_DATE_EPOCH=1700000000']
  const said = await must('env', [...words, join(REPOSITORY, 'scripts', 'deb.sh'), folder])
  return said.split('\n').at(-1) ?? ''
}

const shared = tempFolder('deb')
test.after.always(() => shared[Symbol.dispose]())
let made: Promise<string> | undefined
/** The same one for whoever changes nothing of it. */
const thePackage = () => (made ??= makePackage(shared.path))

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

withNamespaces(
  'the installed tree, with nothing of this folder in reach, takes and delivers a mail',
  async (t) => {
    t.timeout(WITHIN_MS)
    using folder = tempFolder('install')
    await install(folder.path, '/usr')
    const ran = await run('unshare', [...NAMESPACES, IN_ROOT, folder.path])
    t.is(ran.code, 0, ran.stdout + ran.stderr)
    t.regex(ran.stdout, /^postern \d+\.\d+\.\d+$/m)
    t.regex(ran.stdout, /settings {2}\/etc\/postern\/postern\.toml/)
    t.regex(ran.stdout, /SMTP {6}:: port 25, :: port 465 \(submissions\), :: port 587 \(submission\)/)
    t.regex(ran.stdout, /^delivered$/m)
  },
)

test.serial(
  'only what runs is installed, with the prefix in its units, and settings that are there stay',
  async (t) => {
    t.timeout(WITHIN_MS)
    using folder = tempFolder('install')
    const { path } = folder
    await install(path, '/opt/mail')
    const lib = join(path, 'opt/mail/lib/postern')
    t.true(existsSync(join(lib, 'node_modules/better-sqlite3/lib/index.js')))
    for (const absent of ['typescript', 'ava', 'node-gyp', 'node-addon-api', 'oxlint', '@types/node'])
      t.false(existsSync(join(lib, 'node_modules', absent)), absent)
    t.deepEqual(globSync('**/*.{d.ts,map,gyp,cc}', { cwd: join(lib, 'node_modules/better-sqlite3') }), [
      'binding.gyp',
    ])
    t.deepEqual(globSync('test/**', { cwd: lib }), [])
    t.is(readlinkSync(join(path, 'opt/mail/bin/postern')), '../lib/postern/bin/postern')
    t.is(statSync(join(path, 'etc/postern/postern.toml')).mode & 0o777, 0o640)
    const unit = readFileSync(join(path, 'opt/mail/lib/systemd/system/postern.service'), 'utf8')
    t.regex(
      unit,
      /^ExecStart=\/opt\/mail\/lib\/postern\/node_modules\/\.bin\/node \/opt\/mail\/lib\/postern\/src\/main\/master\.ts/m,
    )
    t.notRegex(unit, /\/usr\/lib\/postern/)
    const generator = join(path, 'opt/mail/lib/systemd/system-generators/postern-generator')
    t.is(statSync(generator).mode & 0o777, 0o755)
    t.regex(
      readFileSync(generator, 'utf8'),
      /ln -sf \/opt\/mail\/lib\/systemd\/system\/postern-smtpd@\.service/,
    )
    const version = await run(join(path, 'opt/mail/bin/postern'), ['version'], { cwd: path })
    t.regex(version.stdout, /^postern \d/)

    appendFileSync(join(path, 'etc/postern/postern.toml'), '# ours\n')
    await install(path, '/opt/mail')
    t.regex(readFileSync(join(path, 'etc/postern/postern.toml'), 'utf8'), /# ours\n$/)
    const wrong = await run('env', ['PREFIX=relative', join(REPOSITORY, 'scripts', 'install-tree.sh')])
    t.is(wrong.code, 64)
  },
)

test.serial('a package that is not there is named, and nothing is installed or taken away', async (t) => {
  using folder = tempFolder('install')
  const from = join(folder.path, 'from')
  const to = join(folder.path, 'to')
  await must('mkdir', ['-p', join(from, 'node_modules/.bin'), join(to, 'usr/lib/postern')])
  await must('cp', ['-R', join(REPOSITORY, 'scripts'), join(REPOSITORY, 'package-lock.json'), from])
  await must('ln', ['-s', process.execPath, join(from, 'node_modules/.bin/node')])
  const words = [`DESTDIR=${to}`, 'PREFIX=/usr', join(from, 'scripts/install-tree.sh')]
  const ran = await run('env', words)
  t.is(ran.code, 1)
  t.regex(ran.stderr, /These packages are missing; run make install first: .*node_modules\/better-sqlite3/)
  t.deepEqual(globSync('**/*', { cwd: to }), ['usr', 'usr/lib', 'usr/lib/postern'])
})

withDpkg(
  'two packages of the same sources are the same, octet for octet, and lintian finds nothing wrong',
  async (t) => {
    t.timeout(WITHIN_MS)
    using folder = tempFolder('deb')
    const first = await thePackage()
    const second = await makePackage(folder.path)
    t.is(digest(first), digest(second))
    const fields = await must('dpkg-deb', ['--field', first])
    t.regex(fields, /^Package: postern$/m)
    t.regex(fields, /^Depends: libvectorscan5 \| libhyperscan5,/m)
    const contents = await must('dpkg-deb', ['--contents', first])
    t.notRegex(contents, /^\S+ (?!root\/root)/m, 'every file is root’s')
    t.notRegex(contents, /^-..s|^-.....s/m, 'no set-id program')
    t.regex(contents, /^-rw-r----- root\/root .* \.\/etc\/postern\/postern\.toml$/m)
    if (installed('lintian')) {
      const ran = await run('lintian', ['--allow-root', '--fail-on', 'error,warning', first])
      t.is(ran.code, 0, ran.stdout)
    }
  },
)

asRoot(
  'dpkg installs it without starting anything, an upgrade keeps settings, and purge keeps mail unless asked',
  async (t) => {
    t.timeout(WITHIN_MS)
    using copy = tempFolder('dpkg-root')
    const file = await thePackage()
    const ran = await run('unshare', ['--mount', '--net', DPKG_LIFE, file, copy.path])
    t.is(ran.code, 0, ran.stdout + ran.stderr)
    for (const line of [
      /^== user postern$/m,
      /^== data 1771 root$/m,
      /^== queue 710 postern postern-smtpd$/m,
      /^== mailboxes 700 postern-mailbox postern-mailbox$/m,
      /^== settings 640 root postern$/m,
      /^== enabled disabled disabled disabled $/m,
      /^== runs postern \d/m,
      /^== after an upgrade: # ours$/m,
      /^== after removal: \/etc\/postern\/postern\.toml\n\/var\/lib\/postern\/mail\nls: cannot access '\/usr\/lib\/postern'/m,
      /^== after purge: mail\nls: cannot access '\/etc\/postern'/m,
      /^== after a purge of everything: ls: cannot access '\/var\/lib\/postern'/m,
    ])
      t.regex(ran.stdout, line)
  },
)
