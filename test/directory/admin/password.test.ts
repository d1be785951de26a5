import { Buffer } from 'node:buffer'
import test from 'ava'
import * as fc from 'fast-check'
import { checkHash } from '#src/directory/auth/hashes.ts'
import { hashPassword } from '#src/directory/admin/password.ts'

test('a password that zmprov has set is right, and no other is', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string(), async (password, other) => {
      const stored = hashPassword(password)
      t.regex(stored, /^\{SSHA512\}[A-Za-z0-9+/]{96}$/)
      t.not(stored, hashPassword(password))
      t.is(await checkHash(stored, Buffer.from(password)), 'right')
      t.is(await checkHash(stored, Buffer.from(other)), other === password ? 'right' : 'wrong')
    }),
  )
})
