import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readConfig } from '#src/config/config.ts'
import { tempFolder } from '#test/support/temp.ts'

function read(lines: string, token = 'a-token-that-is-long-enough') {
  using folder = tempFolder('health-config')
  writeFileSync(join(folder.path, 'token'), `${token}\n`)
  const loaded = readConfig(`[health]\n${lines}\n`, join(folder.path, 'postern.toml'), folder.path)
  if (loaded.kind === 'invalid') {
    const problems = loaded.problems.map(({ line, key, reason }) => `${line} ${key}: ${reason}`)
    return { problems: problems.join('; ') }
  }
  const { listen, tls, mail, signaturesMaxMs } = loaded.config.health
  return { problems: '', config: { listen, tls, mail, signaturesMaxMs } }
}

const USUAL = {
  listen: { address: '127.0.0.1', port: 8025 },
  tls: false,
  mail: true,
  signaturesMaxMs: 1_209_600_000,
}

for (const [lines, expected] of [
  ['', USUAL],
  ['listen = false', { ...USUAL, listen: undefined }],
  ['listen = "[::1]:9000"', { ...USUAL, listen: { address: '::1', port: 9000 } }],
  ['listen = "127.9.9.9"', { ...USUAL, listen: { address: '127.9.9.9', port: 8025 } }],
  ['mail = false\nsignatures_days = 0', { ...USUAL, mail: false, signaturesMaxMs: 0 }],
  [
    'listen = "0.0.0.0:8025"\ntls = true\ntoken = "token"',
    { ...USUAL, listen: { address: '0.0.0.0', port: 8025 }, tls: true },
  ],
] as const) {
  test(`[health] is read: ${JSON.stringify(lines)}`, (t) => {
    t.deepEqual(read(lines), { problems: '', config: expected })
  })
}

for (const [lines, expected] of [
  [
    'listen = "0.0.0.0:8025"',
    /^2 health\.listen: can be reached from other machines, and then needs tls = true and token/,
  ],
  ['listen = "[::]:8025"\ntls = true', /needs token = "FILE"/],
  ['listen = "192.0.2.1:8025"\ntoken = "token"', /needs tls = true;/],
  ['listen = "localhost:8025"', /must be an address with a port/],
  ['listen = "127.0.0.1:0"', /must be an address with a port/],
  ['token = "absent"', /^2 health\.token: names a file that cannot be read/],
  ['port = 1', /health\.port: is not known/],
] as const) {
  test(`[health] is refused with a sentence: ${JSON.stringify(lines)}`, (t) => {
    t.regex(read(lines).problems, expected)
  })
}

test('a token that can be guessed is refused', (t) => {
  t.regex(read('token = "token"', 'short').problems, /must have 16 to 1024 characters/)
})
