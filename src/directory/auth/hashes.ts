import { Buffer } from 'node:buffer'
import { argon2, createHash, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** What a stored value says of a password. 'unreadable': of a kind that we do not know, or damaged. */
export type HashVerdict = 'right' | 'wrong' | 'unreadable'

interface Digest {
  readonly algorithm: string
  readonly bytes: number
  readonly salted: boolean
}

/** Digests of RFC 2307 section 5.3 and OpenLDAP's pw-sha2, with octets of their result; with and without salt. */
const DIGESTS: ReadonlyMap<string, Digest> = new Map([
  ['SSHA512', { algorithm: 'sha512', bytes: 64, salted: true }],
  ['SSHA384', { algorithm: 'sha384', bytes: 48, salted: true }],
  ['SSHA256', { algorithm: 'sha256', bytes: 32, salted: true }],
  ['SSHA', { algorithm: 'sha1', bytes: 20, salted: true }],
  ['SMD5', { algorithm: 'md5', bytes: 16, salted: true }],
  ['SHA512', { algorithm: 'sha512', bytes: 64, salted: false }],
  ['SHA384', { algorithm: 'sha384', bytes: 48, salted: false }],
  ['SHA256', { algorithm: 'sha256', bytes: 32, salted: false }],
  ['SHA', { algorithm: 'sha1', bytes: 20, salted: false }],
  ['MD5', { algorithm: 'md5', bytes: 16, salted: false }],
])

/** OpenLDAP's pw-pbkdf2. */
const PBKDF2: ReadonlyMap<string, string> = new Map([
  ['PBKDF2', 'sha1'],
  ['PBKDF2-SHA1', 'sha1'],
  ['PBKDF2-SHA256', 'sha256'],
  ['PBKDF2-SHA512', 'sha512'],
])

/** Work that a stored value may ask for: more would be a way to keep us busy, and nobody's setting. */
const ITERATIONS_MAX = 5_000_000
const ARGON2_MEMORY_KIB_MAX = 262_144
const ARGON2_PASSES_MAX = 100
const ARGON2_LANES_MAX = 64
/** The longest of all: salt and digest of any scheme fit many times. */
const STORED_CHARS_MAX = 1024

const SCHEME = /^\{([A-Za-z0-9-]{1,32})\}(.*)$/s
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
/** pw-pbkdf2 writes base64 with `.` for `+` and without padding; either spelling is read. */
const PBKDF2_FORM = /^([0-9]{1,9})\$([A-Za-z0-9+./]+={0,2})\$([A-Za-z0-9+./]+={0,2})$/
const ARGON2_KINDS = ['argon2id', 'argon2i', 'argon2d'] as const
/** The PHC string format. */
const ARGON2_FORM =
  /^\$(argon2id|argon2i|argon2d)\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,4}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/**
 * Whether `password` is the one that a value of userPassword stands for. Digests are compared in constant time; costly
 * schemes are worked out beside the event loop.
 */
export async function checkHash(stored: string, password: Uint8Array): Promise<HashVerdict> {
  if (stored === '' || stored.length > STORED_CHARS_MAX) return 'unreadable'
  const [, given, rest = ''] = SCHEME.exec(stored) ?? []
  // RFC 4519 section 2.41: without a scheme it is the password itself.
  if (given === undefined) return verdict(sha256(Buffer.from(stored)), sha256(password))
  const scheme = given.toUpperCase()
  const digest = DIGESTS.get(scheme)
  if (digest !== undefined) return checkDigest(rest, password, digest)
  const prf = PBKDF2.get(scheme)
  if (prf !== undefined) return await checkPbkdf2(rest, password, prf)
  return scheme === 'ARGON2' ? await checkArgon2(rest, password) : 'unreadable'
}

/** Costs what the check of a right password costs, for names that nobody has: time must not tell them apart. */
export async function checkNothing(password: Uint8Array): Promise<void> {
  await checkHash(DECOY, password)
}

const DECOY = `{SSHA512}${randomBytes(64 + 8).toString('base64')}`

function checkDigest(text: string, password: Uint8Array, { algorithm, bytes, salted }: Digest): HashVerdict {
  if (!BASE64.test(text)) return 'unreadable'
  const octets = Buffer.from(text, 'base64')
  if (salted ? octets.length <= bytes : octets.length !== bytes) return 'unreadable'
  const made = createHash(algorithm).update(password).update(octets.subarray(bytes)).digest()
  return verdict(octets.subarray(0, bytes), made)
}

async function checkPbkdf2(text: string, password: Uint8Array, prf: string): Promise<HashVerdict> {
  const [, count, salt, key] = PBKDF2_FORM.exec(text) ?? []
  if (count === undefined || salt === undefined || key === undefined) return 'unreadable'
  const iterations = Number(count)
  const wanted = unadapted(key)
  if (iterations < 1 || iterations > ITERATIONS_MAX || wanted.length < 16) return 'unreadable'
  return verdict(wanted, await pbkdf2Async(password, unadapted(salt), iterations, wanted.length, prf))
}

const pbkdf2Async = promisify(pbkdf2)

function unadapted(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}

async function checkArgon2(text: string, password: Uint8Array): Promise<HashVerdict> {
  const [, name, m, t, p, salt, key] = ARGON2_FORM.exec(text) ?? []
  const algorithm = ARGON2_KINDS.find((kind) => kind === name)
  if (algorithm === undefined || salt === undefined || key === undefined) return 'unreadable'
  const [memory, passes, parallelism] = [Number(m), Number(t), Number(p)]
  const wanted = Buffer.from(key, 'base64')
  const tooMuch =
    memory > ARGON2_MEMORY_KIB_MAX || passes > ARGON2_PASSES_MAX || parallelism > ARGON2_LANES_MAX
  if (tooMuch || passes < 1 || parallelism < 1 || memory < 8 * parallelism || wanted.length < 16)
    return 'unreadable'
  const made = await argon2Async(algorithm, {
    message: password,
    nonce: Buffer.from(salt, 'base64'),
    parallelism,
    tagLength: wanted.length,
    memory,
    passes,
  })
  return verdict(wanted, made)
}

const argon2Async = promisify(argon2)

function verdict(wanted: Uint8Array, made: Uint8Array): HashVerdict {
  return wanted.length === made.length && timingSafeEqual(wanted, made) ? 'right' : 'wrong'
}

function sha256(octets: Uint8Array): Buffer {
  return createHash('sha256').update(octets).digest()
}
