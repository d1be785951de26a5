import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `node scripts/update-key.ts FOLDER`: the key that updates are signed with, `update.key`, and what an image knows it by,
 * `update.pem`. A key that is there stays. For releases put your own there, and keep it away from the machine that builds.
 */
export function makeUpdateKey(folder: string): { readonly privateFile: string; readonly publicFile: string } {
  const privateFile = join(folder, 'update.key')
  const publicFile = join(folder, 'update.pem')
  if (!existsSync(privateFile)) {
    mkdirSync(folder, { recursive: true })
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    writeFileSync(publicFile, publicKey.export({ type: 'spki', format: 'pem' }))
    writeFileSync(privateFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
      flag: 'wx',
    })
  }
  return { privateFile, publicFile }
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new Error('usage: update-key.ts FOLDER')
  process.stdout.write(`${makeUpdateKey(folder).privateFile}\n`)
}
