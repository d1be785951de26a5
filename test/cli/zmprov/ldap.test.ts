import test from 'ava'
import { openStoreAt } from '#test/support/ldap-store.ts'
import { Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { tree } from '#test/support/zimbra-ldif.ts'
import { holds } from './dialogue.ts'
import { DIALOGUES } from './dialogues.ts'

const lacking = slapdLacks()
const run = lacking === undefined ? test.serial : test.serial.skip

for (const { title, text } of DIALOGUES) {
  run(`${title}, over LDAP`, async (t) => {
    using folder = tempFolder('zmprov-ldap')
    await using slapd = await Slapd.start({ folder: folder.path, ldif: tree() })
    await using store = await openStoreAt(slapd)
    await holds(t, store, text)
  })
}
