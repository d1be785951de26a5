import { statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { askMaster } from '#src/cli/control-client.ts'
import { openControl } from '#src/net/control-server.ts'
import type { ControlHandler } from '#src/net/control-server.ts'
import { tempFolder } from '#test/support/temp.ts'

async function served(handler: ControlHandler) {
  const folder = tempFolder('control')
  const path = join(folder.path, 'control.sock')
  // What a master that was killed left behind.
  writeFileSync(path, '')
  const server = await openControl(path, handler)
  return {
    path,
    [Symbol.dispose]: () => {
      server.close()
      folder[Symbol.dispose]()
    },
  }
}

/** Sends these octets and gives all that comes back. */
function raw(path: string, text: string, end = true): Promise<string> {
  return new Promise((resolve) => {
    let got = ''
    const socket = connect(path, () => (end ? socket.end(text) : socket.write(text)))
    socket.setEncoding('utf8').on('data', (part: string) => {
      got += part
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
  })
}

test('a command is answered, and only its owner may open the socket', async (t) => {
  using control = await served((command) => Promise.resolve({ ok: true, command }))
  t.deepEqual(await askMaster(control.path, 'status'), { ok: true, command: 'status' })
  t.is(statSync(control.path).mode & 0o777, 0o600)
})

test('an answer that says no is an error with its reason', async (t) => {
  using control = await served(() => Promise.resolve({ ok: false, error: 'because' }))
  await t.throwsAsync(askMaster(control.path, 'reload'), { message: 'because' })
})

test('a handler that throws is an answer that says why', async (t) => {
  using control = await served(() => Promise.reject(new Error('broken')))
  await t.throwsAsync(askMaster(control.path, 'status'), { message: 'broken' })
})

test('where nobody listens there is no answer, and that is no error', async (t) => {
  using folder = tempFolder('control')
  t.is(await askMaster(join(folder.path, 'none.sock'), 'status'), undefined)
})

test('nonsense is answered or cut off, and the next command is served', async (t) => {
  using control = await served((command) => Promise.resolve({ ok: true, command }))
  t.regex(await raw(control.path, 'no json\n'), /"ok":false/)
  t.regex(await raw(control.path, '{"command":5}\n'), /"ok":false/)
  t.regex(await raw(control.path, 'null\n'), /"ok":false/)
  t.is(await raw(control.path, ''), '')
  t.is(await raw(control.path, '{"command":"status"}'), '')
  t.is(await raw(control.path, 'x'.repeat(100_000), false), '')
  t.deepEqual(await askMaster(control.path, 'status'), { ok: true, command: 'status' })
})
