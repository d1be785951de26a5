import { join } from 'node:path'
import test from 'ava'
import { parseLdif } from '#src/directory/ldif.ts'
import { seedLdif } from '#src/directory/seed.ts'
import { Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'

test('every entry of a new directory has the one above it, which came before', (t) => {
  const parsed = parseLdif(seedLdif('mail.example.test', 'mx.example.test'))
  if (parsed.kind === 'wrong') throw new Error(`line ${parsed.line}: ${parsed.reason}`)
  const seen = new Set([''])
  for (const { dn } of parsed.records) {
    t.true(seen.has(dn.split(',').slice(1).join(',')), dn)
    t.false(seen.has(dn), dn)
    seen.add(dn)
  }
  t.true(seen.has('cn=mx.example.test,cn=servers,cn=zimbra'))
})

const overLdap = slapdLacks() === undefined ? test : test.skip

overLdap('slapd takes a new directory as it is', async (t) => {
  using folder = tempFolder('seed')
  await using slapd = await Slapd.start({
    folder: join(folder.path, 'slapd'),
    ldif: seedLdif('example.test', 'mx.example.test'),
  })
  const found = await slapd.search('-b', '', '(objectClass=zimbraAccount)', 'uid')
  t.is(found.match(/^uid: /gm)?.length, 3)
})
