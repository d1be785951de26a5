import { createHash, randomBytes } from 'node:crypto'
import { ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { valueOf } from './store.ts'

/** Zimbra's PasswordUtil.SSHA512: that many octets of salt behind the digest. */
const SALT_BYTES = 8
/** zimbraPasswordMinLength and zimbraPasswordMaxLength of Zimbra's default class of service. */
const LENGTH_LEAST = 6
const LENGTH_MOST = 64

/** The value of userPassword (RFC 2307 section 5.3): `{SSHA512}` and base64 of SHA-512 of password and salt, then salt. */
export function hashPassword(password: string, salt: Buffer = randomBytes(SALT_BYTES)): string {
  const digest = createHash('sha512').update(password, 'utf8').update(salt).digest()
  return `{SSHA512}${Buffer.concat([digest, salt]).toString('base64')}`
}

/** Throws ProvisionRefused for a password that is too short or too long for the account. */
export function checkPassword(password: string, owner: AdminEntry | undefined): void {
  const least = limitOf(owner, 'zimbraPasswordMinLength', LENGTH_LEAST)
  const most = limitOf(owner, 'zimbraPasswordMaxLength', LENGTH_MOST)
  const { length } = password
  if (length < least)
    throw refused(`invalid password: too short: ${length} characters, ${least} are the least`)
  if (most > 0 && length > most)
    throw refused(`invalid password: too long: ${length} characters, ${most} are the most`)
}

function limitOf(owner: AdminEntry | undefined, name: string, fallback: number): number {
  const text = owner === undefined ? undefined : valueOf(owner, name)
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : fallback
}

function refused(message: string): ProvisionRefused {
  return new ProvisionRefused('account.INVALID_PASSWORD', message)
}
