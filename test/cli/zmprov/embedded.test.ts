import { join } from 'node:path'
import test from 'ava'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import { tempFolder } from '#test/support/temp.ts'
import { holds } from './dialogue.ts'
import { DIALOGUES } from './dialogues.ts'

for (const { title, text } of DIALOGUES) {
  test(title, async (t) => {
    using folder = tempFolder('zmprov')
    await using store = EmbeddedStore.open(join(folder.path, 'directory.db'))
    await holds(t, store, text)
  })
}
