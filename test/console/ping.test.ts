import { existsSync } from 'node:fs'
import test from 'ava'
import { pingLines } from '#src/console/ping.ts'

/** Debian's iputils-ping (`make install-test`). */
const withPing = existsSync('/usr/bin/ping') ? test : test.skip

withPing('a host that is there answers, in the words of ping', async (t) => {
  const lines = await pingLines(' 127.0.0.1 ', AbortSignal.timeout(60_000))
  t.regex(lines.join('\n'), /4 packets transmitted, 4 received, 0% packet loss/)
})

test('what is no host is asked of nobody, and never becomes an option', async (t) => {
  for (const text of ['', '-f', '--', '127.0.0.1 -f', '$(id)', 'a;b', 'a\nb', 'a'.repeat(300)])
    await t.throwsAsync(pingLines(text, AbortSignal.timeout(60_000), '/nowhere/ping'), {
      message: /is no name and no address/,
    })
})

test('where there is no ping, it is said what does instead', async (t) => {
  await t.throwsAsync(pingLines('127.0.0.1', AbortSignal.timeout(60_000), '/nowhere/ping'), {
    message: /iputils-ping/,
  })
})

withPing('who gives up waits no longer', async (t) => {
  const giveUp = new AbortController()
  const asked = pingLines('127.0.0.1', giveUp.signal)
  giveUp.abort(new Error('given up'))
  await t.throwsAsync(asked)
})
