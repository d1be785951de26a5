import test from 'ava'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A leak of a few hundred octets a message would be more; the collector's own ups and downs are less. */
const NOISE_BYTES = 24 * 1024 * 1024

async function grownBytes(work: string): Promise<number> {
  const child = join(import.meta.dirname, 'leak-child.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [child, work])
  return Number(stdout)
}

test('memory does not grow with the number of messages', async (t) => {
  t.true((await grownBytes('messages')) < NOISE_BYTES)
})

test('memory does not grow with the number of scanners and signature sets', async (t) => {
  t.true((await grownBytes('sets')) < NOISE_BYTES)
})

test('a message of 50 MB is scanned, twice, in the memory of a small one', async (t) => {
  t.true((await grownBytes('large')) < NOISE_BYTES)
})
