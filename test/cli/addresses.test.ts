import test from 'ava'
import { composed } from '#src/cli/sendmail-message.ts'
import { getopt } from '#src/cli/getopt.ts'
import { headerAddresses } from '#src/cli/header-addresses.ts'

const VALUES: readonly (readonly [string, readonly string[]])[] = [
  ['a@b.example', ['a@b.example']],
  ['Ann <a@b.example>, "D, E" <d@e.example> (at (her) desk, really)', ['a@b.example', 'd@e.example']],
  ['friends: a@b.example, C <c@d.example>;, e@f.example', ['a@b.example', 'c@d.example', 'e@f.example']],
  ['undisclosed-recipients:;', []],
  ['"quoted \\" local"@b.example', ['"quoted \\" local"@b.example']],
  ['<"a>b"@c.example>', ['"a>b"@c.example']],
  ['local', ['local']],
  ['', []],
  [' , ,', []],
  ['not an address', []],
  ['Ann <a@b.example', ['a@b.example']],
  ['(never ends a@b.example', []],
]

for (const [value, addresses] of VALUES) {
  test(`the addresses of ${JSON.stringify(value)}`, (t) => {
    t.deepEqual(headerAddresses(value), addresses)
  })
}

test('with -t recipients come from folded fields, Bcc goes, and where it is resent only Resent fields count', (t) => {
  const take = { sender: 's@x.example', fullName: '', takeRecipients: true }
  const first = composed(
    Buffer.from('To: a@x.example,\n b@x.example\nBcc: c@x.example,\n\td@x.example\nFrom: z\n\nBcc: body\n'),
    take,
  )
  t.deepEqual(first.recipients, ['a@x.example', 'b@x.example', 'c@x.example', 'd@x.example'])
  t.is(first.bytes.toString(), 'To: a@x.example,\r\n b@x.example\r\nFrom: z\r\n\r\nBcc: body\r\n')
  const resent = composed(Buffer.from('Resent-To: r@x.example\nTo: a@x.example\nFrom: z\n\n'), take)
  t.deepEqual(resent.recipients, ['r@x.example'])
})

test('what has no header, an mbox line or a bare CR becomes a message all the same', (t) => {
  const options = { sender: '', fullName: 'N', takeRecipients: false }
  const text = (input: string) => composed(Buffer.from(input), options).bytes.toString()
  t.is(text('hello\n'), 'From: "N" <MAILER-DAEMON>\r\n\r\nhello\r\n')
  t.is(text('From x Sun\nFrom: y\n\na\rb'), 'From: y\r\n\r\na b\r\n')
  t.is(text(''), 'From: "N" <MAILER-DAEMON>\r\n\r\n')
})

test('options are read as getopt reads them', (t) => {
  t.deepEqual(getopt(['-vd', 'ID', 'hold', '-hX', '--', '-d'], 'd:h:v'), {
    options: [
      { letter: 'v', value: '' },
      { letter: 'd', value: 'ID' },
      { letter: 'h', value: 'X' },
    ],
    words: ['hold', '-d'],
  })
  t.deepEqual(getopt(['-d', '-'], 'd:'), { options: [{ letter: 'd', value: '-' }], words: [] })
  t.is(getopt(['-Z'], 'd:'), "invalid option -- 'Z'")
  t.is(getopt(['-d'], 'd:'), "option requires an argument -- 'd'")
})
