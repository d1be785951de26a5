import test from 'ava'
import { readConfig } from '#src/config/config.ts'

function read(line: string): unknown {
  const loaded = readConfig(`[snmp]\n${line}\n`, '/etc/postern/postern.toml', '/etc/postern')
  if (loaded.kind === 'config') return loaded.config.snmp.agentx
  return loaded.problems.map((one) => `${one.line} ${one.key}: ${one.reason}`).join('; ')
}

for (const [line, expected] of [
  ['', undefined],
  ['agentx = false', undefined],
  ['agentx = "/var/agentx/master"', { kind: 'unix', path: '/var/agentx/master' }],
  ['agentx = "unix:./master"', { kind: 'unix', path: '/etc/postern/master' }],
  ['agentx = "tcp:127.0.0.1:705"', { kind: 'tcp', address: '127.0.0.1', port: 705 }],
] as const) {
  test(`[snmp] is read: ${JSON.stringify(line)}`, (t) => {
    t.deepEqual(read(line), expected)
  })
}

for (const [line, said] of [
  ['agentx = "tcp:192.0.2.1:705"', /^2 snmp\.agentx: must be the path of a socket/],
  ['agentx = "tcp:127.0.0.1:70500"', /must be the path of a socket/],
  ['agentx = "tcp:127.0.0.256:705"', /must be the path of a socket/],
  ['agentx = "udp:127.0.0.1:705"', /must be the path of a socket/],
  ['agentx = ""', /must be the path of a socket/],
  [`agentx = "/${'x'.repeat(108)}"`, /must be the path of a socket/],
  ['agentx = 705', /^2 snmp\.agentx: /],
  ['agentX = "/x"', /is not known; did you mean agentx/],
] as const) {
  test(`[snmp] is refused with a sentence: ${JSON.stringify(line.slice(0, 40))}`, (t) => {
    t.regex(String(read(line)), said)
  })
}
