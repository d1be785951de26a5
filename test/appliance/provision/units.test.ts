import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { installed, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

const OVERLAY = join(REPOSITORY, 'image/overlay')
const UNITS = join(OVERLAY, 'usr/lib/systemd/system')
const withAnalyze = installed('systemd-analyze') ? test : test.skip

const SERVICES = ['postern-provision.service', 'postern-apply.service', 'postern-stick.service']

/** Debian 12's systemd is older than the image's. */
const TOO_NEW = /ImportCredential/

for (const unit of SERVICES) {
  withAnalyze(
    `the exposure of ${unit} is 2.0 at most, and what it leaves open stands in it with its reason`,
    async (t) => {
      const file = join(UNITS, unit)
      const ran = await run('systemd-analyze', [
        'security',
        '--offline=true',
        '--no-pager',
        '--threshold=20',
        file,
      ])
      t.is(ran.code, 0, ran.stdout)
      const json = await run('systemd-analyze', ['security', '--offline=true', '--json=short', file])
      const [, reasons = ''] = readFileSync(file, 'utf8').split('# What is left, and why')
      // oxlint-disable-next-line no-unsafe-type-assertion -- what of it is wrong fails the assertion on it
      const findings = JSON.parse(json.stdout) as readonly { json_field: string; exposure: string | null }[]
      const left = findings.filter(({ exposure }) => exposure !== null && Number(exposure) > 0)
      t.true(left.length > 3)
      t.deepEqual(
        left.map(({ json_field: name }) => name).filter((name) => !reasons.includes(wordFor(name))),
        [],
      )
    },
  )
}

/** The name of a finding is that of its setting, with the value behind it. */
function wordFor(finding: string): string {
  if (finding === 'UserOrDynamicUser') return 'User='
  if (finding.startsWith('RootDirectory')) return 'RootDirectory'
  const match = /^(?:CapabilityBoundingSet|RestrictAddressFamilies|SystemCallFilter)_(.*)$/.exec(finding)
  if (match === null) return finding.split('_')[0] ?? ''
  const [, value = ''] = match
  if (value.startsWith('CAP_SET_UID')) return 'CAP_SETUID'
  return value.startsWith('CAP_') ? value.split('_').slice(0, 2).join('_') : value
}

withAnalyze('systemd finds nothing wrong with the units of the set-up', async (t) => {
  using folder = tempFolder('units')
  const names = [...SERVICES, String.raw`run-postern\x2dimage-stick.mount`]
  const units = names.map((name) => {
    const text = readFileSync(join(UNITS, name), 'utf8')
      // What they start and what they come after is not installed here.
      .replaceAll(/\/usr\/lib\/postern\/\S+/g, '/bin/true')
      .replaceAll(/^(?:RequiresMountsFor|ImportCredential)=.*$/gm, '')
    const file = join(folder.path, name)
    writeFileSync(file, text)
    return file
  })
  const ran = await run('systemd-analyze', ['verify', '--man=no', ...units])
  const said = ran.stderr.split('\n').filter((line) => line !== '' && !TOO_NEW.test(line))
  t.deepEqual([ran.code, said], [0, []])
})

test('what listens to the network waits for the password of the console, and for the settings', (t) => {
  for (const unit of ['postern.socket', 'postern.service']) {
    const text = readFileSync(join(UNITS, `${unit}.d/60-provisioned.conf`), 'utf8')
    t.regex(text, /^ConditionPathExists=\/run\/postern-image\/provisioned$/m)
    t.regex(text, /^After=postern-provision\.service$/m)
  }
  const snmpd = readFileSync(join(UNITS, 'snmpd.service.d/60-provisioned.conf'), 'utf8')
  t.regex(snmpd, /^ConditionPathExists=\/run\/postern-image\/made\/snmpd\.conf$/m)
  // Neither Debian's settings, nor -C, with which snmpd forgets how often it was started.
  t.regex(snmpd, /^LoadCredential=snmpd\.conf:\/run\/postern-image\/made\/snmpd\.conf$/m)
  t.regex(snmpd, /^Environment=SNMPCONFPATH=%d:\/var\/lib\/snmp$/m)
  t.regex(snmpd, /-I -smux,mta_sendmail -f$/m)
})

test('whatever the units start is there', (t) => {
  const files = globSync('postern-{provision,apply,stick}.service', { cwd: UNITS }).map((name) =>
    join(UNITS, name),
  )
  t.is(files.length, 3)
  for (const file of files) {
    const programs = [...readFileSync(file, 'utf8').matchAll(/\/usr\/lib\/postern\/(src\/\S+\.ts)/g)]
    t.is(programs.length, 1, basename(file))
    for (const [, program = ''] of programs) t.true(existsSync(join(REPOSITORY, program)), program)
  }
})
