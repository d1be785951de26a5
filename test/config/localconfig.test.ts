import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import test from 'ava'
import { parseLocalconfig } from '#src/base/localconfig-xml.ts'
import {
  expandedValue,
  formatLocalconfig,
  isSecret,
  keyProblem,
  readLocalconfig,
} from '#src/config/localconfig.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import { tempFolder } from '#test/support/temp.ts'

const FILE = `<?xml version="1.0" encoding="UTF-8"?>
<!-- written by a person -->
<localconfig>
  <key name="postfix_smtpd_hard_error_limit">
    <value>13</value>
  </key>
  <key name='postfix_smtpd_banner'><value>$myhostname &lt;&amp;&#x41;&#66;&gt;</value></key>
  <key name="ssl_allow_untrusted_certs">
    <value/>
  </key>
</localconfig>
`

test('localconfig.xml is read as Zimbra writes it', (t) => {
  t.deepEqual(parseLocalconfig(FILE), {
    kind: 'keys',
    keys: new Map([
      ['postfix_smtpd_hard_error_limit', '13'],
      ['postfix_smtpd_banner', '$myhostname <&AB>'],
      ['ssl_allow_untrusted_certs', ''],
    ]),
  })
  t.deepEqual(parseLocalconfig('<localconfig/>'), { kind: 'keys', keys: new Map() })
})

for (const [title, text, line, reason] of [
  ['another root', '<config></config>', 1, '<localconfig> is expected here'],
  ['nothing', '', 1, '<localconfig> is expected here'],
  ['no end', '<localconfig>\n', 2, '<key name="…"> is expected here'],
  [
    'a key without a value',
    '<localconfig>\n<key name="a"></key></localconfig>',
    2,
    '<value>…</value> is expected here',
  ],
  [
    'a key twice',
    '<localconfig>\n<key name="a"><value>1</value></key>\n<key name="a"><value>2</value></key></localconfig>',
    3,
    'the key a stands there twice',
  ],
  ['text behind it', '<localconfig></localconfig>\nx', 2, 'there is something behind </localconfig>'],
  [
    'an entity of its own',
    '<localconfig><key name="a"><value>&x;</value></key></localconfig>',
    1,
    '&x; means nothing',
  ],
  [
    'a bare ampersand',
    '<localconfig><key name="a"><value>a & b</value></key></localconfig>',
    1,
    '& b means nothing',
  ],
  [
    'a document type',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><localconfig/>',
    1,
    '<localconfig> is expected here',
  ],
  [
    'a NUL by number',
    '<localconfig><key name="a"><value>&#0;</value></key></localconfig>',
    1,
    '&#0; means nothing',
  ],
] as const) {
  test(`a file that is not Zimbra's is refused with its line: ${title}`, (t) => {
    t.deepEqual(parseLocalconfig(text), { kind: 'wrong', line, reason })
  })
}

test('what is written is read back as it was, whatever it holds', (t) => {
  const text = fc
    .string({ unit: 'binary', maxLength: 40 })
    // XML has no place for control characters, and blanks round a value mean nothing.
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    .filter((one) => !/[\u0000-\u001f\u007f]/.test(one) && one.trim() === one)
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,20}$/), text, { maxKeys: 8 }), (values) => {
      const keys = new Map(Object.entries(values))
      t.deepEqual(parseLocalconfig(formatLocalconfig(keys)), { kind: 'keys', keys })
    }),
  )
})

test('whatever the file holds, it is read or refused', (t) => {
  const piece = fc.constantFrom(
    '<localconfig>',
    '</localconfig>',
    '<key name="a">',
    '</key>',
    '<value>',
    '</value>',
    '<!--',
    '-->',
    '&amp;',
    '&',
    '<',
    '"',
    'x',
    '\n',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const parsed = parseLocalconfig(pieces.join(''))
      return parsed.kind === 'keys' || (parsed.line >= 1 && parsed.reason !== '')
    }),
  )
  t.pass()
})

test('a file that is not there says nothing, one that cannot be read says why', (t) => {
  using folder = tempFolder('localconfig')
  const file = join(folder.path, 'localconfig.xml')
  t.deepEqual(readLocalconfig(file), { kind: 'keys', keys: new Map() })
  writeFileSync(file, FILE)
  t.is(readLocalconfig(file).kind, 'keys')
  writeFileSync(file, ' '.repeat(1_048_577))
  t.like(readLocalconfig(file), { kind: 'wrong', line: 0 })
  mkdirSync(join(folder.path, 'folder.xml'))
  t.like(readLocalconfig(join(folder.path, 'folder.xml')), { kind: 'wrong', line: 0 })
})

test('a key counts below globalConfig and above the default, in its own words', (t) => {
  const localconfig = new Map([
    ['postfix_smtpd_hard_error_limit', '13'],
    ['postfix_smtpd_helo_required', 'no'],
    ['postfix_notify_classes', 'resource,software,bounce'],
    ['zmconfigd_interval', '60'],
    ['postfix_smtpd_soft_error_limit', 'few'],
    ['postfix_mail_owner', 'somebody'],
    ['mysql_root_password', 'x'],
  ])
  const globalConfig = new Map([['zimbraMtaSmtpdHeloRequired', ['yes']]])
  const { settings, origins, problems, notes } = resolveSettings({ overrides: {}, globalConfig, localconfig })
  t.is(settings.hardErrorLimit, 13)
  t.deepEqual(origins.hardErrorLimit, {
    source: 'localconfig.xml',
    name: 'postfix_smtpd_hard_error_limit',
    kept: false,
  })
  t.true(settings.heloRequired)
  t.is(origins.heloRequired.source, 'globalConfig')
  t.deepEqual(settings.notifyClasses, ['resource', 'software', 'bounce'])
  t.is(settings.configPollMs, 60_000)
  t.deepEqual(problems, [
    {
      attribute: 'postfix_smtpd_soft_error_limit',
      source: 'localconfig.xml',
      value: 'few',
      reason: 'must be a whole number',
    },
  ])
  t.is(settings.softErrorLimit, 10)
  t.deepEqual(
    notes.map(({ attribute, kind }) => [attribute, kind]),
    [['postfix_mail_owner', 'fixed']],
  )
})

test('an empty key unsets a number, and empties a list', (t) => {
  const localconfig = new Map([
    ['postfix_smtpd_hard_error_limit', ''],
    ['postfix_notify_classes', ''],
  ])
  const { settings, problems } = resolveSettings({ overrides: {}, globalConfig: new Map(), localconfig })
  t.deepEqual(problems, [])
  t.is(settings.hardErrorLimit, 20)
  t.deepEqual(settings.notifyClasses, [])
})

test('a value under a key is judged as the setting judges it', (t) => {
  t.is(keyProblem('postfix_smtpd_hard_error_limit', '13'), '')
  t.is(keyProblem('postfix_smtpd_hard_error_limit', 'many'), 'must be a whole number')
  t.is(keyProblem('postfix_smtpd_hard_error_limit', ''), '')
  t.is(keyProblem('no_such_key', 'anything'), '')
})

test('references are filled in, circles end, and passwords are known for what they are', (t) => {
  const keys = new Map([
    ['zimbra_home', '/opt/zimbra'],
    ['a', '${zimbra_home}/x'],
    ['self', '${self}'],
  ])
  t.is(expandedValue('${a}/${nothing}', keys), '/opt/zimbra/x/${nothing}')
  t.is(expandedValue('${self}', keys), '${self}')
  t.true(isSecret('ldap_postfix_password'))
  t.true(isSecret('mysql_root_password'))
  t.false(isSecret('postfix_smtpd_banner'))
})
