import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { body, deliverer, message, never, request } from '#test/delivery/requests.ts'
import { answers } from '#test/support/answers.ts'
import { Dovecot, dovecotLacks } from '#test/support/dovecot.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { installed } from '#test/support/run.ts'
import { until } from '#test/support/wait.ts'

for (const tls of [false, true]) {
  test(`Debian's Dovecot takes our mail over LMTP${tls ? ' with STARTTLS' : ''}`, async (t) => {
    const lacks = dovecotLacks()
    if (lacks !== undefined) {
      t.log(`skipped: ${lacks}`)
      t.pass()
      return
    }
    using folder = tempFolder('dovecot')
    const [port = 0] = await freePorts(1)
    await using dovecot = await Dovecot.start(folder.path, port, tls)
    await using delivery = deliverer(tls ? { tls: 'encrypt' } : {})
    const text = 'Subject: dovecot\r\n\r\n.dot\r\n..two\r\nlast\r\n'
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () =>
        delivery.deliver(
          request(port, ['a@x.test', 'b@x.test'], { message: message({ eightBit: true }), body: body(text) }),
          never,
        ),
      ),
    )
    t.deepEqual(
      outcomes.flat().filter(({ kind }) => kind !== 'sent'),
      [],
    )
    for (const mailbox of ['a@x.test', 'b@x.test']) {
      const files = readdirSync(join(dovecot.mail, mailbox, 'new'))
      t.is(files.length, 10)
      const stored = readFileSync(join(dovecot.mail, mailbox, 'new', files[0] ?? ''), 'utf8').replaceAll(
        '\r\n',
        '\n',
      )
      t.true(stored.endsWith('Subject: dovecot\n\n.dot\n..two\nlast\n'))
      t.is(/ with LMTPS\s/.test(stored), tls)
    }
    t.is(
      delivery.log.lines.some(({ facts }) => facts['state'] === 'tls'),
      tls,
    )
  })
}

for (const protocol of ['lmtp', 'smtp'] as const) {
  test(`Postfix's smtp-sink takes our mail over ${protocol.toUpperCase()}`, async (t) => {
    if (!installed('smtp-sink')) {
      t.log('skipped: smtp-sink is not installed')
      t.pass()
      return
    }
    using folder = tempFolder('sink')
    const [port = 0] = await freePorts(1)
    const args = [
      '-u',
      'root',
      '-d',
      'mail.',
      ...(protocol === 'lmtp' ? ['-L'] : []),
      `127.0.0.1:${port}`,
      '100',
    ]
    const sink = spawn('smtp-sink', args, { cwd: folder.path, stdio: 'ignore' })
    try {
      await until('smtp-sink listens', () => answers(port))
      await using delivery = deliverer({ tls: 'none' })
      const text = `Subject: sink\r\n\r\n.dot\r\n${'0123456789\r\n'.repeat(20_000)}last\r\n`
      const outcomes = await Promise.all(
        Array.from({ length: 5 }, () =>
          delivery.deliver(
            request(port, ['a@x.test', 'b@x.test', 'c@x.test'], { protocol, body: body(text, 65_536) }),
            never,
          ),
        ),
      )
      t.deepEqual(
        outcomes.flat().map(({ kind }) => kind),
        Array.from({ length: 15 }, () => 'sent'),
      )
      const files = readdirSync(folder.path).filter((name) => name.startsWith('mail.'))
      t.is(files.length, 5)
      for (const name of files) {
        const stored = readFileSync(join(folder.path, name), 'utf8').replaceAll('\r\n', '\n')
        t.true(stored.includes(text.replaceAll('\r\n', '\n')))
      }
    } finally {
      const gone = once(sink, 'exit')
      sink.kill('SIGKILL')
      await gone
    }
  })
}
