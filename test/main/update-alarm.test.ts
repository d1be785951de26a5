import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { failedUpdates, updateFailedFile } from '#src/main/update-alarm.ts'
import { tempFolder } from '#test/support/temp.ts'

test('an update that was given up is an alarm for as long as the helper says so', (t) => {
  using folder = tempFolder('alarm')
  const file = updateFailedFile(join(folder.path, 'helper.sock'))
  t.deepEqual(failedUpdates(file), [])
  writeFileSync(file, JSON.stringify({ version: '2.0.0', reason: 'the queue\nis not there', atMs: 1 }))
  t.deepEqual(failedUpdates(file), [
    { code: 'UPDATE_FAILED', key: '2.0.0', reason: 'the queue?is not there' },
  ])
  for (const text of ['', '[]', '{"version":7}']) {
    writeFileSync(file, text)
    t.deepEqual(failedUpdates(file), [])
  }
})
