import { join } from 'node:path'
import test from 'ava'
import { isRecord } from '#src/net/frames.ts'
import { FakePeer, greeted } from '#test/delivery/fake-peer.ts'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import type { Script } from '#test/delivery/fake-peer.ts'

const lacks = postfixLacks()
if (lacks !== undefined) process.stderr.write(`Postfix’s reasons are skipped: ${lacks}.\n`)
const POSTQUEUE = join(REPOSITORY, 'bin', 'postqueue')
const withPostfix = lacks === undefined ? test : test.skip

/** At which command the peer puts a message off, and with what. The sender says which. */
const PUT_OFF: ReadonlyMap<string, readonly [verb: string, reply: string]> = new Map([
  ['mail', ['MAIL', '451 4.3.2 Not now\r\n']],
  ['rcpt', ['RCPT', '450-4.2.0 Greylisted,\r\n450 4.2.0 see http://grey.example/?a=b\r\n']],
  ['data', ['DATA', '451 Local error (in reply to nothing)\r\n']],
  ['dot', ['.', '452 4.3.1 Insufficient system storage\r\n']],
  ['gone', ['RCPT', '']],
])

const peerScript: Script = greeted(async (conversation) => {
  let [verb, reply] = ['', '']
  for (let line = await conversation.line(); line !== ''; line = await conversation.line()) {
    const word = line.slice(0, 4)
    if (word === 'MAIL') [verb, reply] = PUT_OFF.get(/<(\w+)@/.exec(line)?.[1] ?? '') ?? ['', '']
    if (word === verb && reply === '') {
      conversation.socket.destroy()
      return
    }
    const isTaken = word !== verb
    conversation.say(isTaken ? (word === 'DATA' ? '354 go\r\n' : '250 2.0.0 ok\r\n') : reply)
    if (word === 'DATA' && isTaken) {
      await conversation.message()
      conversation.say(verb === '.' ? reply : '250 2.0.0 taken\r\n')
    }
  }
}, '250 peer\r\n')

/** The reasons by sender, as `postqueue -j` tells them; undefined until all have one. */
function reasons(json: string): Record<string, unknown> | undefined {
  const rows = json.split('\n').flatMap((line): (readonly [string, unknown])[] => {
    const value: unknown = line === '' ? undefined : JSON.parse(line)
    if (!isRecord(value) || !Array.isArray(value['recipients'])) return []
    const [first]: unknown[] = value['recipients']
    return isRecord(first) && first['delay_reason'] !== undefined
      ? [[String(value['sender']), first['delay_reason']]]
      : []
  })
  // Postfix's list shows a message twice that goes from one queue into another meanwhile.
  const bySender = new Map(rows)
  return bySender.size === PUT_OFF.size ? Object.fromEntries(bySender) : undefined
}

withPostfix(
  'why mail waits is told as Postfix tells it: who said what, in reply to which command',
  async (t) => {
    using theirs = tempFolder('postfix-reason')
    using ours = tempFolder('reason')
    const [port = 0] = await freePorts(1)
    await using peer = await FakePeer.listen(peerScript)
    await using postfix = await Postfix.start({ folder: theirs.path, port, relayPort: peer.port })
    await using postern = await Appliance.start({
      folder: ours.path,
      settings: [`zimbraMtaRelayHost = "[127.0.0.1]:${peer.port}"`],
    })
    for (const one of [postfix.port, postern.smtpPort]) {
      using client = await SmtpClient.greeted(one)
      for (const what of PUT_OFF.keys()) {
        const message = plainMail('waits', 'Hello.')
        const mail = { from: `${what}@example.test`, to: ['someone@far.example'], message }
        t.is((await client.send(mail)).code, 250)
      }
      await client.quit()
    }
    const expected = await until('Postfix has tried all', async () =>
      reasons((await postfix.tool('postqueue', '-j')).stdout),
    )
    const found = await until('all of ours were tried', async () =>
      reasons((await run(POSTQUEUE, ['-c', ours.path, '-j'])).stdout),
    )
    t.deepEqual(found, expected)
  },
)
