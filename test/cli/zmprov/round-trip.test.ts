import { join } from 'node:path'
import test from 'ava'
import { openEntries } from '#src/directory/entries.ts'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import type { AdminStore } from '#src/directory/admin/store.ts'
import { parseLdif } from '#src/directory/ldif.ts'
import { dnKey } from '#src/directory/names.ts'
import { openStoreAt } from '#test/support/ldap-store.ts'
import { Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { say } from './dialogue.ts'
import { DIALOGUES } from './dialogues.ts'

/** A directory in which everything has been done that the dialogues do; gives its export. */
async function madeBy(path: string): Promise<string> {
  await using store = EmbeddedStore.open(path)
  for (const { text } of DIALOGUES) {
    for (const [, line = ''] of text.matchAll(/^> (.*)$/gm)) await say(store, line)
  }
  using entries = openEntries(path)
  return [...entries.export()].join('')
}

/** All entries, without regard to the order of entries and of the attributes in them. */
async function contentOf(store: AdminStore): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { dn, attributes } of store.find('', { kind: 'present', name: 'objectClass' })) {
    const lines = attributes.map(({ name, value }) => `${name.toLowerCase()}: ${value.text}`)
    found.push([dnKey(dn), ...lines.toSorted()].join('\n'))
  }
  return found.toSorted()
}

test('what zmprov has made is the same directory after export and import', async (t) => {
  using folder = tempFolder('round-trip')
  const text = await madeBy(join(folder.path, 'one.db'))
  t.true(text.length > 5000)
  const parsed = parseLdif(text)
  if (parsed.kind === 'wrong') throw new Error(`line ${parsed.line}: ${parsed.reason}`)
  using other = openEntries(join(folder.path, 'other.db'))
  other.import(parsed.records)
  t.is([...other.export()].join(''), text)
})

const overLdap = slapdLacks() === undefined ? test : test.skip

overLdap('what zmprov has made in the embedded directory is a directory for slapd', async (t) => {
  using folder = tempFolder('round-trip')
  const path = join(folder.path, 'one.db')
  const text = await madeBy(path)
  await using slapd = await Slapd.start({ folder: join(folder.path, 'slapd'), ldif: text })
  await using ldap = await openStoreAt(slapd)
  await using embedded = EmbeddedStore.open(path)
  t.deepEqual(await contentOf(ldap), await contentOf(embedded))
})
