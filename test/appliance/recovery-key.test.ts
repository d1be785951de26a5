import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { refused } from '#src/appliance/commands.ts'
import { recoveryKeyCommands } from '#src/appliance/recovery-key.ts'
import { tempFolder } from '#test/support/temp.ts'

const KEY = 'dkfjhvbg-cbdefghi-jklnrtuv-dkfjhvbg-cbdefghi-jklnrtuv-dkfjhvbg-cbdefghi'

test('the recovery key of an encrypted data partition is told; of one that is not, and of half a key, why not', async (t) => {
  using folder = tempFolder('recovery-key')
  const file = join(folder.path, 'recovery-key')
  const { 'recovery-key': tell } = recoveryKeyCommands(file)
  t.deepEqual(
    await tell?.([]),
    refused('the data partition is not encrypted, since this machine had no TPM 2 when it was made'),
  )
  writeFileSync(file, `${KEY}\n`)
  const answer = await tell?.([])
  t.deepEqual(answer?.ok === true ? answer.lines : [], [KEY])
  writeFileSync(file, KEY.slice(0, 20))
  t.deepEqual(
    await tell?.([]),
    refused('the recovery key was not kept: see the journal of postern-data.service'),
  )
})
