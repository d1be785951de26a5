import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { readImage } from '#src/health/image-facts.ts'
import { ImageWatch } from '#src/main/image-watch.ts'
import { openControl } from '#src/net/control-server.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('what the helper of the image tells is known, and nothing where there is none', async (t) => {
  using folder = tempFolder('image-watch')
  const socket = join(folder.path, 'helper.sock')
  using nobody = new ImageWatch(`${socket}.absent`, systemClock)
  nobody.start()
  const fallback = { version: '2.0.0', reason: 'no mail went through', atMs: 1 }
  const told = { ok: true, slot: 'b', version: '1.0.0', triesLeft: 2, fallback }
  const server = await openControl(
    socket,
    async (command) => await Promise.resolve({ ...told, asked: command }),
  )
  using watch = new ImageWatch(socket, systemClock)
  watch.start()
  const answer = await until('it has answered', () => watch.told)
  t.is(answer['asked'], 'slots')
  t.deepEqual(readImage(answer), { slot: 'b', version: '1.0.0', triesLeft: 2, fallback })
  t.is(nobody.told, undefined)
  t.deepEqual(readImage({ slot: 'c', fallback: 7 }), {
    slot: '',
    version: '',
    triesLeft: undefined,
    fallback: undefined,
  })
  server.close()
})
