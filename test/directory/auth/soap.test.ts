import { Buffer } from 'node:buffer'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { Servers } from '#src/directory/auth/in-turn.ts'
import { checkBySoap, soapUrls } from '#src/directory/auth/soap.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { zimbraSoap } from '#test/support/zimbra-soap.ts'
import type { SoapAnswer } from '#test/support/zimbra-soap.ts'

const NEVER = new AbortController().signal
const ALICE = { name: 'alice@example.test', password: Buffer.from('secret') }

async function answered(
  answers: readonly SoapAnswer[],
  who: { readonly name: string; readonly password: Buffer } = ALICE,
) {
  using folder = tempFolder('soap')
  let n = 0
  await using server = await zimbraSoap(folder.path, () => {
    n += 1
    return answers[n - 1] ?? 'silence'
  })
  const reach = { servers: new Servers(systemClock), caFile: server.caFile, timeoutMs: 60_000 }
  const urls = answers.map(() => server.url)
  const check = await checkBySoap(urls, reach, who, NEVER)
  return { check, requests: [...server.requests] }
}

test('a token lets in, and what was sent is an AuthRequest as Zimbra takes it', async (t) => {
  const { check, requests } = await answered(['token'])
  t.deepEqual(check, { kind: 'right' })
  const [request] = requests
  t.is(request?.path, '/service/admin/soap/')
  t.regex(request?.contentType ?? '', /^application\/soap\+xml; charset=utf-8/)
  t.regex(
    request?.body ?? '',
    /<AuthRequest xmlns="urn:zimbraAccount"><account by="name">alice@example\.test</,
  )
})

test('nothing in a name or a password is taken for markup', async (t) => {
  const password = '</password><x>&amp;]]>"\'\r\n\tü😀'
  const { requests } = await answered(['token'], {
    name: 'a<b&c@example.test',
    password: Buffer.from(password),
  })
  t.is(requests[0]?.account, 'a<b&c@example.test')
  t.is(requests[0]?.password, password)
})

for (const [code, reason] of [
  ['account.AUTH_FAILED', 'wrong password'],
  ['account.NO_SUCH_ACCOUNT', 'no such account'],
  ['account.ACCOUNT_INACTIVE', 'the account is not active'],
  ['account.CHANGE_PASSWORD', 'the password must be changed'],
  ['account.TWO_FACTOR_AUTH_REQUIRED', 'the second factor is missing'],
] as const) {
  test(`the fault ${code} refuses, and no other server is asked`, async (t) => {
    const { check, requests } = await answered([{ fault: code }, 'token'])
    t.deepEqual(check, { kind: 'wrong', reason })
    t.is(requests.length, 1)
  })
}

test('a token that only opens the way to a second factor lets nobody in', async (t) => {
  for (const word of ['true', '1']) {
    const raw = `<soap:Envelope><soap:Body><AuthResponse xmlns="urn:zimbraAccount"><twoFactorAuthRequired>${word}</twoFactorAuthRequired><authToken>0_8f</authToken></AuthResponse></soap:Body></soap:Envelope>`
    const { check, requests } = await answered([{ raw }, 'token'])
    t.deepEqual(check, { kind: 'wrong', reason: 'the second factor is missing' })
    t.is(requests.length, 1)
  }
})

for (const [what, answer] of [
  ['a fault of the server', { fault: 'service.FAILURE' }],
  ['maintenance', { fault: 'account.MAINTENANCE_MODE' }],
  ['a page of a proxy', { raw: '<html><body>502 Bad Gateway</body></html>', status: 502 }],
  ['an empty answer', { raw: '' }],
  [
    'an answer without a token',
    { raw: '<a:Envelope><a:Body><AuthResponse></AuthResponse></a:Body></a:Envelope>' },
  ],
  ['an empty token', { raw: '<Envelope><AuthResponse><authToken></authToken></AuthResponse></Envelope>' }],
  ['half an answer', { raw: '<soap:Envelope><soap:Body><AuthResponse><authToken>0_8f' }],
  [
    'a token outside of the response',
    { raw: '<Envelope><!-- x --><authToken>0_8f</authToken><AuthResponse></AuthResponse></Envelope>' },
  ],
  [
    'a document type',
    { raw: '<!DOCTYPE x><Envelope><AuthResponse><authToken>0</authToken></AuthResponse></Envelope>' },
  ],
  ['an endless answer', { raw: `<Envelope>${'<Fault '.repeat(60_000)}` }],
] as const) {
  test(`${what} is no answer: the next server is asked, and with none left nobody is refused`, async (t) => {
    const second = await answered([answer, 'token'])
    t.deepEqual(second.check, { kind: 'right' })
    t.is(second.requests.length, 2)
    t.is((await answered([answer])).check.kind, 'unknown')
  })
}

test('a server that is silent, gone, or not the one that it says it is, refuses nobody', async (t) => {
  using folder = tempFolder('soap')
  await using server = await zimbraSoap(folder.path, () => 'silence')
  const [free = 0] = await freePorts(1)
  const reach = { servers: new Servers(systemClock), caFile: server.caFile, timeoutMs: 100 }
  t.is((await checkBySoap([server.url], reach, ALICE, NEVER)).kind, 'unknown')
  t.is((await checkBySoap([`https://localhost:${free}/`], reach, ALICE, NEVER)).kind, 'unknown')
  const untrusted = await checkBySoap([server.url], { ...reach, caFile: '' }, ALICE, NEVER)
  t.is(untrusted.kind, 'unknown')
  const other = await checkBySoap([`https://127.0.0.1:${server.port}/`], reach, ALICE, NEVER)
  t.is(other.kind, 'unknown')
  // The first question, which may have come in only after we gave it up.
  t.true(server.requests.length <= 1, 'a password is only sent to a server that has shown who it is')
  t.is((await checkBySoap([], reach, ALICE, NEVER)).kind, 'unknown')
})

test('an empty password, and one that XML cannot hold, is asked of nobody', async (t) => {
  for (const password of ['', '\u0001', '\ufffe']) {
    const { check, requests } = await answered(['token'], { ...ALICE, password: Buffer.from(password) })
    t.is(check.kind, 'wrong')
    t.is(requests.length, 0)
  }
  const { check } = await answered(['token'], { ...ALICE, password: Buffer.from([0xff, 0xfe]) })
  t.is(check.kind, 'wrong')
})

test('the servers are those that are named, each once, and none that a password would go to in clear', (t) => {
  t.deepEqual(
    soapUrls(
      [
        'https://one.test/service/soap/',
        'http://two.test/service/soap/',
        'http://127.0.0.1:7070/',
        'ldap://x',
      ],
      ['three.test', 'four.test:7071'],
      ['https://three.test:7073/service/admin/soap/'],
      7073,
    ),
    [
      'https://one.test/service/soap/',
      'http://127.0.0.1:7070/',
      'https://three.test:7073/service/admin/soap/',
      'https://four.test:7071/service/admin/soap/',
    ],
  )
})
