import {
  chownSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { must } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { Machine } from './machine.ts'

/** Numbers of nobody in particular. */
const USER = { uid: 61_970, gid: 61_971 }
const asRoot = process.getuid?.() === 0 ? test : test.skip

const FILE = `[ldap]
urls = ["ldap://ldap1.example.com"]
bind_dn = "cn=reader"
password = "ldap secret"
[console]
password = "correct horse"
[health]
token = "a token of thirty-two characters"
`

async function made(machine: Machine): Promise<readonly string[]> {
  const words = [join(import.meta.dirname, 'as-root.ts'), machine.root, String(USER.uid), String(USER.gid)]
  // oxlint-disable-next-line no-unsafe-type-assertion -- what of it is wrong fails the assertion on it
  return JSON.parse(await must(process.execPath, words)) as readonly string[]
}

async function provisioned(root: string): Promise<Machine> {
  chmodSync(root, 0o755)
  const machine = new Machine(root)
  const data = join(root, 'var/lib/postern')
  chownSync(data, USER.uid, USER.gid)
  chmodSync(data, 0o700)
  await machine.keeper.keep(machine.stick(FILE))
  return machine
}

asRoot(
  "secrets and the console's password belong to the user that Postern runs as, the rest to root",
  async (t) => {
    using folder = tempFolder('owner')
    const machine = await provisioned(folder.path)
    t.deepEqual(await made(machine), [])
    const rights = (path: string): readonly number[] => {
      const { uid, gid, mode } = statSync(join(folder.path, path))
      return [uid, gid, mode & 0o777]
    }
    for (const name of ['ldap-password', 'health-token'])
      t.deepEqual(rights(`run/postern-image/made/${name}`), [USER.uid, USER.gid, 0o600])
    // A secret in a folder that its reader cannot look into would keep Postern from starting.
    t.deepEqual(rights('run/postern-image/made'), [0, 0, 0o755])
    t.deepEqual(rights('var/lib/postern/console/password'), [USER.uid, USER.gid, 0o600])
    t.deepEqual(rights('run/postern-image/postern.toml'), [0, 0, 0o644])
    t.deepEqual(rights('run/postern-image/provisioned'), [0, 0, 0o644])
    t.deepEqual(rights('var/lib/postern-appliance/provision/settings.json'), [0, 0, 0o600])
  },
)

asRoot("a link that Postern's user has put where the password goes leads root nowhere", async (t) => {
  using folder = tempFolder('owner')
  const machine = await provisioned(folder.path)
  const target = join(folder.path, 'etc')
  mkdirSync(target, { mode: 0o755 })
  symlinkSync(target, join(folder.path, 'var/lib/postern/console'))
  const troubles = await made(machine)
  t.regex(troubles.join(' '), /The password of the console was not set: EACCES/)
  t.deepEqual(readdirSync(target), [])
  t.false(existsSync(join(folder.path, 'run/postern-image/provisioned')))
  // As soon as it is gone, the next start sets it.
  rmSync(join(folder.path, 'var/lib/postern/console'))
  t.deepEqual(await made(machine), [])
  t.true(existsSync(join(folder.path, 'run/postern-image/provisioned')))
})
