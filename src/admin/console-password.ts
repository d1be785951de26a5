import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '#src/base/clock.ts'
import { errorCode } from '#src/base/fault.ts'

/** RFC 7914: 32 MB and a tenth of a second for each guess. */
const COST = { N: 32_768, r: 8, p: 1 } as const
const SALT_BYTES = 16
const KEY_BYTES = 32
const MEMORY_MAX = 128 * 1024 * 1024
const FORM = /^scrypt:([A-Za-z0-9+/=]{24}):([A-Za-z0-9+/=]{44})$/

/** Shorter ones are guessed; longer ones are no passwords. */
const PASSWORD_LEAST = 8
const PASSWORD_MOST = 128

/** Wrong passwords in a row before the console is closed to all for a while. */
const TRIES = 5
/** For so long; each further wrong one closes it again. */
const LOCKED_MS = 300_000

export type LoginVerdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong'; readonly left: number }
  | { readonly kind: 'locked'; readonly forMs: number }

interface Lock {
  readonly failures: number
  readonly untilMs: number
}

const NO_LOCK: Lock = { failures: 0, untilMs: 0 }

// oxlint-disable-next-line no-unsafe-type-assertion -- promisify forgets the form of scrypt that takes options
const derive = promisify(scrypt) as unknown as (
  password: string,
  salt: Buffer,
  bytes: number,
  options: { readonly N: number; readonly r: number; readonly p: number; readonly maxmem: number },
) => Promise<Buffer>

/** Why these characters cannot be a password of the console, as half a sentence; '' where they can. */
export function passwordProblem(password: string): string {
  if (password.length < PASSWORD_LEAST) return `a password has ${PASSWORD_LEAST} characters at least`
  return password.length > PASSWORD_MOST ? `a password has ${PASSWORD_MOST} characters at most` : ''
}

/** Whether it is a password as it is stored: `scrypt:SALT:KEY`. */
export function isPasswordHash(text: string): boolean {
  return FORM.test(text)
}

/** A password as it is stored, with a salt of its own. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, salt, KEY_BYTES, { ...COST, maxmem: MEMORY_MAX })
  return `scrypt:${salt.toString('base64')}:${key.toString('base64')}`
}

/** Whether the password is the one of the hash; false for what is no hash. */
export async function isPasswordOf(hash: string, password: string): Promise<boolean> {
  const [, salt, key] = FORM.exec(hash.trim()) ?? []
  if (salt === undefined || key === undefined || password.length > PASSWORD_MOST) return false
  const wanted = Buffer.from(key, 'base64')
  const options = { ...COST, maxmem: MEMORY_MAX }
  const made = await derive(password, Buffer.from(salt, 'base64'), KEY_BYTES, options)
  return wanted.length === made.length && timingSafeEqual(wanted, made)
}

/**
 * The password of the console: a scrypt hash in `console/password` of the data folder, readable by this user only, and
 * beside it how often it was wrong, so that pulling the plug or hanging up does not open the lock.
 */
export class ConsolePassword {
  readonly #file: string
  readonly #lockFile: string
  readonly #clock: Clock

  constructor(dataFolder: string, clock: Clock) {
    this.#file = join(dataFolder, 'console', 'password')
    this.#lockFile = join(dataFolder, 'console', 'lock.json')
    this.#clock = clock
  }

  /** Whether one is set. A file that cannot be read is one that nobody knows: it locks, and never opens. */
  get isSet(): boolean {
    return this.#read() !== undefined
  }

  async check(password: string): Promise<LoginVerdict> {
    const lock = this.#lock()
    const nowMs = this.#clock.nowMs()
    if (lock.untilMs > nowMs) return { kind: 'locked', forMs: lock.untilMs - nowMs }
    if (await isPasswordOf(this.#read() ?? '', password)) {
      if (lock.failures > 0) this.#write(this.#lockFile, JSON.stringify(NO_LOCK))
      return { kind: 'right' }
    }
    const failures = lock.failures + 1
    const isLocked = failures >= TRIES
    // Before the answer: whoever hangs up at once has had his try.
    this.#write(this.#lockFile, JSON.stringify({ failures, untilMs: isLocked ? nowMs + LOCKED_MS : 0 }))
    return isLocked ? { kind: 'locked', forMs: LOCKED_MS } : { kind: 'wrong', left: TRIES - failures }
  }

  /** Sets it, '' takes it away. Throws an Error that says what is wrong with it. */
  async set(password: string): Promise<void> {
    if (password === '') {
      this.#write(this.#file, '')
      return
    }
    const problem = passwordProblem(password)
    if (problem !== '') throw new Error(problem)
    this.setHash(await hashPassword(password))
  }

  /** Sets it as `hashPassword` made it; nobody is locked out any more. */
  setHash(hash: string): void {
    this.#write(this.#file, `${hash}\n`)
    this.#write(this.#lockFile, JSON.stringify(NO_LOCK))
  }

  #read(): string | undefined {
    try {
      const text = readFileSync(this.#file, 'utf8')
      return text.trim() === '' ? undefined : text
    } catch (error) {
      return errorCode(error) === 'ENOENT' ? undefined : 'unreadable'
    }
  }

  /** A time further off than a lock lasts is of a clock that was wrong. */
  #lock(): Lock {
    let text: string
    try {
      text = readFileSync(this.#lockFile, 'utf8')
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return NO_LOCK
      throw error
    }
    const [, failures = '0', untilMs = '0'] = /"failures":(\d{1,6}),"untilMs":(\d{1,16})/.exec(text) ?? []
    const most = this.#clock.nowMs() + LOCKED_MS
    return { failures: Number(failures), untilMs: Math.min(Number(untilMs), most) }
  }

  #write(file: string, text: string): void {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
  }
}
