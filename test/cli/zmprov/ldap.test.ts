import test from 'ava'
import { LdapStore } from '#src/directory/admin/ldap.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
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
    await using store = await LdapStore.open(target(slapd.url), new AbortController().signal)
    await holds(t, store, text)
  })
}

function target(...urls: readonly string[]) {
  return {
    servers: urls.map((url) => ({
      url,
      startTls: false,
      caFile: '',
      connectTimeoutMs: 60_000,
      searchTimeoutMs: 60_000,
    })),
    who: { dn: ADMIN_DN, password: ADMIN_PASSWORD },
    base: '',
  }
}
