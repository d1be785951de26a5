import { rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { tempFolder } from '#test/support/temp.ts'
import { flashed, readOctets } from './harness/disk.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { PASSWORD, provisionFor } from './harness/provision.ts'
import { Tpm } from './harness/tpm.ts'

/** Behind both slots (image/disk.sh). */
const DATA_OFFSET = 1569 * 1024 * 1024
const KEY = /\b(?:[cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}\b/

test('with a TPM the data partition is encrypted, its recovery key is on the console, opens it in another machine, and that one opens it by itself from then on', async (t) => {
  using folder = tempFolder('image-tpm')
  const disk = flashed(folder.path)
  let key = ''
  {
    await using tpm = await Tpm.start(folder.path, 'first')
    await using machine = await Machine.start({ disk, provision: provisionFor(25), more: tpm.words })
    using client = await minutes(t, 'power on to the first 220', machine.greets())
    await client.quit()
    await machine.shows(/Postern +Status/)
    machine.press('9')
    await machine.shows(/Password of the console:/)
    machine.press(`${PASSWORD}\r`)
    await machine.shows(/Postern +Power/)
    machine.press('y')
    ;[key = ''] = KEY.exec(await machine.shows(KEY)) ?? []
    await machine.cutPower()
  }
  t.is(readOctets(disk, DATA_OFFSET, 4).toString('latin1'), 'LUKS')

  {
    await using tpm = await Tpm.start(folder.path, 'second')
    // No settings from outside: what was kept is on the partition.
    await using machine = await Machine.start({ disk, more: tpm.words })
    await minutes(t, 'power on to the question, with another TPM', machine.shows(/Recovery key \(or "wipe"/))
    machine.press('cbdefghi\r')
    await machine.shows(/That is not the key\./)
    // As somebody may type it who has noted it.
    machine.press(`${key.toUpperCase().replaceAll('-', ' ')}\r`)
    using client = await minutes(t, 'the key to the first 220', machine.greets())
    t.regex((await client.command('EHLO client.example')).text, /mx1\.example\.test/)
    await machine.cutPower()
  }
  rmSync(join(folder.path, 'first'), { recursive: true })

  await using tpm = await Tpm.start(folder.path, 'second')
  await using machine = await Machine.start({ disk, more: tpm.words })
  using client = await minutes(
    t,
    'power on to the first 220, with the TPM that has learnt it',
    machine.greets(),
  )
  t.regex((await client.command('EHLO client.example')).text, /mx1\.example\.test/)
  t.notRegex(machine.transcript, /Recovery key/)
})
