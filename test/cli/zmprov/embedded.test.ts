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

test('a value is added to the defaults that count where nothing is stored, as in a Zimbra, which stores them', async (t) => {
  using folder = tempFolder('zmprov')
  await using store = EmbeddedStore.open(join(folder.path, 'directory.db'))
  await holds(
    t,
    store,
    `
> gacf -e zimbraMtaRestriction
> gcf zimbraMtaRestriction
zimbraMtaRestriction: reject_invalid_helo_hostname
zimbraMtaRestriction: reject_non_fqdn_sender
> mcf +zimbraMtaRestriction 'reject_rbl_client zen.spamhaus.org' -zimbraMtaRestriction reject_non_fqdn_sender
> gacf -e zimbraMtaRestriction
zimbraMtaRestriction: reject_invalid_helo_hostname
zimbraMtaRestriction: reject_rbl_client zen.spamhaus.org
> mcf zimbraMtaRestriction 'reject_rbl_client zen.spamhaus.org'
> gcf zimbraMtaRestriction
zimbraMtaRestriction: reject_rbl_client zen.spamhaus.org
`,
  )
})

test('keys and passwords of domains are shown to nobody', async (t) => {
  using folder = tempFolder('zmprov')
  await using store = EmbeddedStore.open(join(folder.path, 'directory.db'))
  await holds(
    t,
    store,
    `
> cd one.test zimbraSSLPrivateKey secret1 zimbraAuthLdapSearchBindPassword secret2 zimbraAuthLdapSearchBindDn cn=x
<id>
> gd -e one.test zimbraSSLPrivateKey zimbraAuthLdapSearchBindPassword zimbraAuthLdapSearchBindDn
# name one.test
zimbraAuthLdapSearchBindDn: cn=x
zimbraAuthLdapSearchBindPassword: VALUE-BLOCKED
zimbraSSLPrivateKey: VALUE-BLOCKED
`,
  )
})
