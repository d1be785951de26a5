import { Buffer } from 'node:buffer'
import { argon2Sync, createHash, pbkdf2Sync } from 'node:crypto'
import test from 'ava'
import * as fc from 'fast-check'
import { hashPassword } from '#src/directory/admin/password.ts'
import { checkHash, checkNothing } from '#src/directory/auth/hashes.ts'

const PASSWORD = Buffer.from('correct horse, ünïcode')
const SALT = Buffer.from('0123456789abcdef', 'hex')

function salted(algorithm: string): string {
  const digest = createHash(algorithm).update(PASSWORD).update(SALT).digest()
  return Buffer.concat([digest, SALT]).toString('base64')
}

function plain(algorithm: string): string {
  return createHash(algorithm).update(PASSWORD).digest('base64')
}

/** pw-pbkdf2 of OpenLDAP: `.` for `+`, no padding. */
function adapted(octets: Buffer): string {
  return octets.toString('base64').replaceAll('+', '.').replaceAll('=', '')
}

const pbkdf2 = pbkdf2Sync(PASSWORD, SALT, 1000, 64, 'sha512')
const argon2 = argon2Sync('argon2id', {
  message: PASSWORD,
  nonce: Buffer.concat([SALT, SALT]),
  parallelism: 1,
  tagLength: 32,
  memory: 1024,
  passes: 2,
})
const phc = (octets: Buffer): string => octets.toString('base64').replaceAll('=', '')

const STORED: readonly (readonly [string, string])[] = [
  ['{SSHA512} as our own tools write it', hashPassword(PASSWORD.toString())],
  ['{SSHA512}', `{SSHA512}${salted('sha512')}`],
  ['{ssha512} in small letters', `{ssha512}${salted('sha512')}`],
  ['{SSHA384}', `{SSHA384}${salted('sha384')}`],
  ['{SSHA256}', `{SSHA256}${salted('sha256')}`],
  ['{SSHA}', `{SSHA}${salted('sha1')}`],
  ['{SMD5}', `{SMD5}${salted('md5')}`],
  ['{SHA512}', `{SHA512}${plain('sha512')}`],
  ['{SHA256}', `{SHA256}${plain('sha256')}`],
  ['{SHA}', `{SHA}${plain('sha1')}`],
  ['{MD5}', `{MD5}${plain('md5')}`],
  ['{PBKDF2-SHA512}', `{PBKDF2-SHA512}1000$${adapted(SALT)}$${adapted(pbkdf2)}`],
  ['{ARGON2}', `{ARGON2}$argon2id$v=19$m=1024,t=2,p=1$${phc(Buffer.concat([SALT, SALT]))}$${phc(argon2)}`],
  ['the password itself', PASSWORD.toString()],
]

for (const [what, stored] of STORED) {
  test(`${what} lets the right password in and no other`, async (t) => {
    t.is(await checkHash(stored, PASSWORD), 'right')
    for (const wrong of ['', 'correct horse', `${PASSWORD.toString()} `, 'Correct horse, ünïcode']) {
      t.is(await checkHash(stored, Buffer.from(wrong)), 'wrong', wrong)
    }
  })
}

// Made by Debian's slappasswd, for the password secret.
for (const stored of [
  '{SSHA}DvlZcLf4ZYrDzs8FLmyY5DXa8A3OUm/t',
  '{SMD5}1cmb4flY/oujFRid3ujkWXTkM4A=',
  '{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$efq7rfPl5wFOpvYu9OIuYg$esW7WqrPJPA1XZXt3qnWh+U+v+UMwKgkR8AFbIhXkbo',
  '{SSHA512}LYChRDYRXjZy06tqWcycj7mDFVnvgsvhw1x7pmWeltcfUlPV0WqWXzGgV4G9Thn+J6EFdc1iZNyKQeYb2pmxA/qtGH+jeKZR',
]) {
  test(`${stored.slice(0, 18)}… of slappasswd is read`, async (t) => {
    t.is(await checkHash(stored, Buffer.from('secret')), 'right')
    t.is(await checkHash(stored, Buffer.from('Secret')), 'wrong')
  })
}

for (const stored of [
  '',
  '{CRYPT}$6$salt$hash',
  '{SSHA512}',
  '{SSHA512}not base64!',
  '{SSHA512}c2hvcnQ=',
  `{SSHA512}${createHash('sha512').update(PASSWORD).digest('base64')}`,
  `{SHA512}${salted('sha512')}`,
  '{PBKDF2-SHA512}0$c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5',
  '{PBKDF2-SHA512}999999999$c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5',
  '{PBKDF2-SHA512}1000$c2FsdA$',
  '{ARGON2}$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5',
  '{ARGON2}$argon2id$v=19$m=1024,t=0,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5',
  '{ARGON2}$argon2id$v=16$m=1024,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5',
  'x'.repeat(5000),
]) {
  test(`${JSON.stringify(stored.slice(0, 60))} lets nobody in and asks for no work`, async (t) => {
    t.is(await checkHash(stored, PASSWORD), 'unreadable')
  })
}

test('whatever stands in userPassword, nothing is thrown and nobody comes in by chance', async (t) => {
  const schemes = fc.constantFrom('SSHA512', 'SSHA', 'SHA', 'MD5', 'PBKDF2-SHA256', 'ARGON2', 'CRYPT', 'X')
  await fc.assert(
    fc.asyncProperty(
      schemes,
      fc.string(),
      fc.uint8Array({ minLength: 1 }),
      async (scheme, text, password) => {
        t.not(await checkHash(`{${scheme}}${text}`, password), 'right')
      },
    ),
    { numRuns: 300 },
  )
  await checkNothing(PASSWORD)
})
