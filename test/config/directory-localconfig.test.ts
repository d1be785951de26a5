import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readConfig } from '#src/config/config.ts'
import type { DirectoryConfig } from '#src/config/directory-source.ts'
import { formatLocalconfig } from '#src/config/localconfig.ts'
import { notesOf } from '#src/config/notes.ts'
import { problemText } from '#src/config/reader.ts'
import { serverNameOf } from '#src/config/sources.ts'
import { readPassword } from '#src/directory/ldap/connection.ts'
import { tempFolder } from '#test/support/temp.ts'

const KEYS = {
  ldap_url: 'ldap://ldap1.test:389 ldap://ldap2.test',
  ldap_master_url: 'ldap://ldap1.test:389',
  ldap_starttls_supported: '1',
  zimbra_ldap_userdn: 'uid=zimbra,cn=admins,cn=zimbra',
  zimbra_ldap_password: 'a<b',
  zimbra_server_hostname: 'mta1.test',
}

interface Read {
  readonly file: string
  readonly directory: DirectoryConfig | undefined
  readonly problems: readonly string[]
}

function read(toml: string, keys: Readonly<Record<string, string>>, use: (read: Read) => void): void {
  using folder = tempFolder('directory-localconfig')
  const file = join(folder.path, 'zimbra.xml')
  writeFileSync(file, formatLocalconfig(new Map(Object.entries(keys))), { mode: 0o600 })
  const text = `localconfig = "zimbra.xml"\n[directory]\n${toml}`
  const loaded = readConfig(text, join(folder.path, 'postern.toml'), folder.path)
  use({
    file,
    directory: loaded.kind === 'config' ? loaded.config.directory : undefined,
    problems:
      loaded.kind === 'invalid'
        ? loaded.problems.map((one) => problemText(one).replace(folder.path, ''))
        : [],
  })
}

test('the directory is found, bound to and changed where a localconfig.xml of Zimbra’s says', (t) => {
  read('localconfig = true\n', KEYS, ({ file, directory, problems }) => {
    t.deepEqual(problems, [])
    t.like(directory?.ldap, {
      urls: ['ldap://ldap1.test:389', 'ldap://ldap2.test:389'],
      startTls: true,
      bindDn: 'uid=zimbra,cn=admins,cn=zimbra',
      passwordFile: file,
      admin: {
        urls: ['ldap://ldap1.test:389'],
        bindDn: 'uid=zimbra,cn=admins,cn=zimbra',
        passwordFile: file,
      },
    })
    t.is(readPassword(file), 'a<b')
    if (directory !== undefined) t.is(serverNameOf({ directory }, new Map(Object.entries(KEYS))), 'mta1.test')
  })
})

test('without the word it stays with the embedded directory, and a note says that the servers are not asked', (t) => {
  read('', KEYS, ({ directory }) => {
    t.is(directory?.ldap, undefined)
  })
  const sources = { overrides: {}, globalConfig: new Map(), localconfig: new Map(Object.entries(KEYS)) }
  t.regex(notesOf({ ...sources, isEmbedded: true })[0]?.text ?? '', /^Is not asked.*`localconfig = true`/)
  t.deepEqual(notesOf({ ...sources, isEmbedded: false }), [])
})

test('what postern.toml says itself counts before it', (t) => {
  const toml =
    'localconfig = true\nurls = ["ldaps://other.test"]\nstarttls = false\nbind_dn = "cn=reader"\npassword_file = "pw"\nadmin_urls = ["ldap://third.test"]\n'
  read(toml, KEYS, ({ file, directory }) => {
    const passwordFile = join(file, '..', 'pw')
    t.like(directory?.ldap, {
      urls: ['ldaps://other.test:636'],
      startTls: false,
      bindDn: 'cn=reader',
      passwordFile,
      admin: { urls: ['ldap://third.test:389'], bindDn: 'cn=reader', passwordFile },
    })
  })
})

for (const key of [
  'ldap_starttls_supported',
  'ldap_starttls_required',
  'zimbra_require_interprocess_security',
])
  test(`${key} switches TLS off`, (t) => {
    const off = key === 'ldap_starttls_required' ? 'false' : '0'
    read('localconfig = true\n', { ...KEYS, [key]: off }, ({ directory }) => {
      t.is(directory?.ldap?.startTls, false)
    })
  })

test('a localconfig.xml without servers, or with other things for them, is a mistake', (t) => {
  read('localconfig = true\n', {}, ({ problems }) => {
    t.is(problems.length, 1)
    t.regex(problems[0] ?? '', /localconfig: finds no ldap_url in .*zimbra\.xml/)
  })
  read('localconfig = true\n', { ...KEYS, ldap_url: 'http://x.test' }, ({ problems }) => {
    t.regex(problems[0] ?? '', /localconfig: must hold addresses such as .* not "http:\/\/x\.test"/)
  })
})

test('a localconfig.xml without a password is no password', (t) => {
  read('', {}, ({ file }) => {
    t.throws(() => readPassword(file), { message: /holds no password/ })
  })
})

const notesAbout = (...services: readonly string[]) =>
  notesOf({ overrides: {}, globalConfig: new Map(), server: new Map([['zimbraServiceEnabled', services]]) })

test('services that are here, or are those of other servers, are no note; one that is not here yet is, and so is a server without mta', (t) => {
  t.is(notesAbout('mta').length, 0)
  t.is(notesAbout('antivirus', 'mta', 'snmp', 'stats', 'mailbox').length, 0)
  t.regex(notesAbout('mta', 'antispam', 'opendkim')[0]?.text ?? '', /antispam, opendkim/)
  t.is(notesAbout('mailbox')[0]?.kind, 'fixed')
})
