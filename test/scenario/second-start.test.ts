import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { tempFolder } from '#test/support/temp.ts'

test('a second start in the same folder is refused with a sentence, and the first goes on serving', async (t) => {
  using folder = tempFolder('second-start')
  await using postern = await Appliance.start({ folder: folder.path })
  const second = await postern.tool('start')
  t.not(second.code, 0)
  t.regex(second.stderr, /\b(already|running|in use)\b/)
  t.notRegex(second.stderr, /\n\s+at /, 'a sentence and no stack')
  await t.notThrowsAsync(postern.serving())
  t.is((await postern.tool('status')).code, 0)
})
