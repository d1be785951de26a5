import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { must, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

const SCRIPTS = join(REPOSITORY, 'scripts')
const ROOT_HASH = '5e'.repeat(32)

/** The parts that `make image` leaves, as far as packing looks at them. */
async function parts(folder: string, changes: { readonly uuid?: string; readonly command?: string } = {}) {
  const stem = join(folder, 'postern-2.0.0-amd64')
  const uuid = changes.uuid ?? (await uuidOf(ROOT_HASH))
  const superblock = Buffer.concat([
    Buffer.from('verity\0\0\u0001\0\0\0\u0001\0\0\0'),
    Buffer.from(uuid, 'hex'),
  ])
  writeFileSync(`${stem}.json`, JSON.stringify({ version: '2.0.0', arch: 'amd64', rootHash: ROOT_HASH }))
  writeFileSync(`${stem}.root.erofs`, Buffer.alloc(1_048_577, 'e'))
  writeFileSync(`${stem}.root.verity`, superblock)
  writeFileSync(`${stem}.efi`, `MZ ${changes.command ?? `roothash=${ROOT_HASH} ro`}`)
  const key = await must(process.execPath, [join(SCRIPTS, 'update-key.ts'), join(folder, 'keys')])
  return {
    stem,
    key,
    pack: () => run(process.execPath, [join(SCRIPTS, 'pack-update.ts'), stem, '--key', key]),
  }
}

async function uuidOf(hash: string): Promise<string> {
  return await must('sh', ['-c', 'printf %s "$1" | sha256sum | cut -c1-32', 'sh', hash])
}

test("a bundle is an archive that Debian's tar unpacks, and the same parts give the same octets", async (t) => {
  using folder = tempFolder('pack')
  const { stem, pack } = await parts(folder.path)
  t.deepEqual(await pack(), { code: 0, stdout: `${stem}.ptu\n`, stderr: '' })
  const first = readFileSync(`${stem}.ptu`)
  const names = (await must('tar', ['-tf', `${stem}.ptu`])).split('\n')
  t.deepEqual(names, ['manifest.json', 'manifest.sig', 'root.erofs', 'root.verity', 'postern.efi'])
  await must('tar', ['-xf', `${stem}.ptu`, '-C', folder.path])
  t.true(readFileSync(join(folder.path, 'root.erofs')).equals(readFileSync(`${stem}.root.erofs`)))
  await pack()
  t.true(readFileSync(`${stem}.ptu`).equals(first))
})

test("the signature is one that openssl finds right, over the manifest's octets", async (t) => {
  using folder = tempFolder('pack')
  const { stem, pack } = await parts(folder.path)
  await pack()
  await must('tar', ['-xf', `${stem}.ptu`, '-C', folder.path])
  const [, base64 = ''] = readFileSync(join(folder.path, 'manifest.sig'), 'latin1').trim().split(' ')
  const raw = join(folder.path, 'raw.sig')
  writeFileSync(raw, Buffer.from(base64, 'base64'))
  const publicKey = join(folder.path, 'keys', 'update.pem')
  const words = [
    '-verify',
    '-pubin',
    '-inkey',
    publicKey,
    '-rawin',
    '-in',
    join(folder.path, 'manifest.json'),
  ]
  t.is((await run('openssl', ['pkeyutl', ...words, '-sigfile', raw])).code, 0)
  writeFileSync(join(folder.path, 'manifest.json'), 'something else')
  t.is((await run('openssl', ['pkeyutl', ...words, '-sigfile', raw])).code, 1)
})

test('the private key is made once, for its owner alone', async (t) => {
  using folder = tempFolder('pack')
  const { key } = await parts(folder.path)
  t.is(statSync(key).mode & 0o777, 0o600)
  const before = readFileSync(key, 'utf8')
  await parts(folder.path)
  t.is(readFileSync(key, 'utf8'), before)
})

for (const [what, changes, reason] of [
  ['a kernel of another build', { command: `roothash=${'00'.repeat(32)}` }, /was made for another root/],
  ['a hash tree of another build', { uuid: '00'.repeat(16) }, /is no hash tree of the root/],
] as const) {
  test(`${what} is not packed`, async (t) => {
    using folder = tempFolder('pack')
    const { pack } = await parts(folder.path, changes)
    const ran = await pack()
    t.is(ran.code, 1)
    t.regex(ran.stderr, reason)
  })
}
