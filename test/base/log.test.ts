import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { keyValues, postfixLine } from '#src/base/postfix-line.ts'
import { openLog } from '#src/base/log.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

const EVIL = 'x\r\nNov 22 10:00:00 vm postern/qmgr[1]: 4jX: removed\u2028\u0000'

function idOf(line: unknown): unknown {
  return typeof line === 'object' && line !== null && 'id' in line ? line.id : undefined
}

test('no fact can end or forge a line, in either form', (t) => {
  using folder = tempFolder('log')
  const files = ['json', 'text'].map((name) => join(folder.path, name))
  const [jsonFd, textFd] = files.map((file) => openSync(file, 'a'))
  const log = openLog({ service: 'smtpd', level: 'debug', jsonFd, textFd })
  const facts = {
    id: EVIL,
    client: EVIL,
    name: EVIL,
    from: EVIL,
    to: EVIL,
    helo: EVIL,
    reply: EVIL,
    command: EVIL,
    size: 1,
  }
  const events = [
    'smtpd.connect',
    'smtpd.reject',
    'smtpd.message_refused',
    'smtpd.lost',
    'qmgr.removed',
    'smtpd.error',
  ] as const
  for (const event of events) log.write('info', event, facts)
  log.flush()
  const [json = '', text = ''] = files.map((file) => readFileSync(file, 'utf8'))
  t.is(json.trimEnd().split('\n').length, events.length)
  for (const line of json.trimEnd().split('\n')) t.is(idOf(JSON.parse(line)), EVIL)
  t.is(text.trimEnd().split(/[\r\n\u2028]/).length, events.length)
  t.false(text.includes('\0'))
  for (const fd of [jsonFd, textFd]) closeSync(fd ?? -1)
})

test('levels below the one that is set are not written', (t) => {
  using folder = tempFolder('log')
  const file = join(folder.path, 'text')
  const textFd = openSync(file, 'a')
  const log = openLog({ service: 'x', level: 'warn', jsonFd: undefined, textFd })
  log.write('info', 'smtpd.start', {})
  log.write('warn', 'smtpd.error', { n: 1 })
  log.flush()
  t.regex(readFileSync(file, 'utf8'), /^\S+ \S+ postern\/x\[\d+\]: smtpd\.error n=1\n$/)
  closeSync(textFd)
})

test('a reader of standard output that reads nothing stops nobody, and what is written still gets to the file', async (t) => {
  using folder = tempFolder('log')
  const file = join(folder.path, 'text')
  const program = `
    import { openSync } from 'node:fs'
    import { openLog } from '#src/base/log.ts'
    const log = openLog({ service: 'x', level: 'info', jsonFd: undefined, textFd: openSync(process.argv[1], 'a'), echoFd: 1 })
    for (let i = 0; i < 30_000; i += 1) log.write('info', 'smtpd.error', { i, filler: 'y'.repeat(100) })
    await log.printed()
    process.exit(0)
  `
  // Its standard output is a pipe that nobody reads here.
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file], {
    cwd: join(import.meta.dirname, '..', '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  t.is(code, 0)
  t.is(readFileSync(file, 'utf8').split('\n').length, 30_001)
})

test('what is printed is printed whole and in order to a reader that reads', async (t) => {
  const program = `
    import { openLog } from '#src/base/log.ts'
    const log = openLog({ service: 'x', level: 'info', jsonFd: undefined, textFd: undefined, echoFd: 1 })
    for (let i = 0; i < 3000; i += 1) log.write('info', 'smtpd.error', { i })
    await log.printed()
    process.stdout.write('end\\n')
  `
  const ran = await run(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(import.meta.dirname, '..', '..'),
  })
  const numbers = [...ran.stdout.matchAll(/ i=(\d+)\n/g)].map((match) => Number(match[1]))
  t.deepEqual(numbers, [...Array.from({ length: 3000 }).keys()])
  t.true(ran.stdout.endsWith('\nend\n'))
})

test('delivery is logged as Postfix does it', (t) => {
  const facts = {
    id: '4jXR4c331Dz0',
    to: 'alice@example.test',
    relay: '127.0.0.1[127.0.0.1]:2424',
    delay: 0.05,
    delays: '0.01/0/0.02/0.03',
    dsn: '2.0.0',
    status: 'sent',
    reply: '250 2.0.0 OK',
  }
  t.deepEqual(postfixLine('delivery.recipient', facts), [
    '4jXR4c331Dz0: to=<alice@example.test>, relay=127.0.0.1[127.0.0.1]:2424, delay=0.05, delays=0.01/0/0.02/0.03, dsn=2.0.0, status=sent (250 2.0.0 OK)',
  ])
  t.deepEqual(postfixLine('qmgr.bounced', { id: 'A', nrcpt: 1, bounce: 'B' }), [
    'A: sender non-delivery notification: B',
  ])
  t.deepEqual(postfixLine('qmgr.expired', { id: 'A', from: 'b@c', status: 'expired, returned to sender' }), [
    'A: from=<b@c>, status=expired, returned to sender',
  ])
})

test('what has no form of Postfix is event and facts, quoted where they are no plain words', (t) => {
  t.is(
    keyValues('smtpd.start', { a: 1, b: 'two words', c: undefined, d: ['x', 'y'], e: 'x="y"', f: '' }),
    'smtpd.start a=1 b="two words" d=x,y e="x=\\"y\\"" f=""',
  )
})
