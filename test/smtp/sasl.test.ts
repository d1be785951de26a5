import { Buffer } from 'node:buffer'
import test from 'ava'
import * as fc from 'fast-check'
import { MECHANISMS, SaslExchange } from '#src/smtp/sasl.ts'

const word = fc
  .string({ minLength: 1, maxLength: 40 })
  .filter((text) => !/[\u0000-\u001f\u007f-\u009f]/.test(text)) // oxlint-disable-line no-control-regex -- what a name may not hold

test('whatever a client says, an exchange ends, and lets nothing through that is no name', (t) => {
  const line = fc.oneof(
    fc.string(),
    fc.uint8Array().map((octets) => Buffer.from(octets).toString('base64')),
    fc.constantFrom('*', '=', '', '====', 'AA=='),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...MECHANISMS),
      fc.option(line),
      fc.array(line),
      (mechanism, initial, lines) => {
        const exchange = new SaslExchange(mechanism)
        let step = exchange.begin(initial ?? undefined)
        let challenges = 0
        for (const one of lines) {
          if (step.kind !== 'challenge') break
          challenges += 1
          step = exchange.next(one)
        }
        t.true(challenges <= 2)
        if (step.kind !== 'credentials') return
        const { user, password } = step.credentials
        // oxlint-disable-next-line no-control-regex -- what a name may not hold
        t.notRegex(user, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
        t.true(user.length > 0 && password.length <= 1024 && !password.includes(0))
      },
    ),
  )
})

test('name and password come out as they went in, by either mechanism', (t) => {
  fc.assert(
    fc.property(word, word, (user, password) => {
      const normal = user.normalize('NFC')
      const plain = new SaslExchange('PLAIN').begin(Buffer.from(`\0${user}\0${password}`).toString('base64'))
      const login = new SaslExchange('LOGIN')
      login.begin(Buffer.from(user).toString('base64'))
      for (const step of [plain, login.next(Buffer.from(password).toString('base64'))]) {
        t.is(step.kind, 'credentials')
        if (step.kind !== 'credentials') continue
        t.is(step.credentials.user, normal)
        t.is(step.credentials.password.toString(), password)
      }
    }),
  )
})
