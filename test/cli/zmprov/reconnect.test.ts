import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { domainEntry, domainParents, tree } from '#test/support/zimbra-ldif.ts'

const overLdap = slapdLacks() === undefined ? test : test.skip

overLdap('a batch whose server is restarted fails for a while and goes on', async (t) => {
  using folder = tempFolder('zmprov-reconnect')
  await using slapd = await Slapd.start({
    folder: join(folder.path, 'slapd'),
    ldif: tree() + domainParents(['one.test']) + domainEntry('one.test'),
  })
  writeFileSync(join(folder.path, 'password'), `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  writeFileSync(
    join(folder.path, 'postern.toml'),
    `[directory]\nurls = ["${slapd.url}"]\nstarttls = false\nbind_dn = "${ADMIN_DN}"\npassword_file = "password"\nconnect_timeout = "60s"\n`,
  )
  const child = spawn(join(REPOSITORY, 'bin', 'zmprov'), [], { cwd: folder.path })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = once(child, 'close')
  child.stdin.write('gad\n')
  await until('the first answer is there', () => out === 'one.test\n')
  await slapd.kill()
  child.stdin.write('gad\n')
  await until('the loss is told', () => errors.includes('ERROR: service.FAILURE ('))
  await slapd.startAgain()
  child.stdin.end('gad\n')
  await ended
  t.is(out, 'one.test\none.test\n', errors)
  t.is(child.exitCode, 2)
})
