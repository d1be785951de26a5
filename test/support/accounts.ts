import { hashPassword } from '#src/directory/admin/password.ts'
import type { Appliance } from './appliance.ts'

/** The password that `giveAlicePassword` gives. */
export const ALICE_PASSWORD = 'correct-horse-battery'

/** Alice of the first directory gets a password, and an address of her own elsewhere. */
export async function giveAlicePassword(postern: Appliance): Promise<void> {
  const ran = await postern.importLdif(
    [
      'dn: uid=alice,ou=people,dc=example,dc=test',
      'changetype: modify',
      'add: userPassword',
      `userPassword: ${hashPassword(ALICE_PASSWORD)}`,
      '-',
      'add: zimbraAllowFromAddress',
      'zimbraAllowFromAddress: alice@elsewhere.test',
      '',
    ].join('\n'),
  )
  if (ran.code !== 0) throw new Error(`directory import: ${ran.stderr}`)
}

/** Somebody of example.test whose mail goes where `transport` says, as LDIF. */
export function accountWith(name: string, transport: string): string {
  return [
    `dn: uid=${name},ou=people,dc=example,dc=test`,
    'objectClass: zimbraAccount',
    'zimbraMailStatus: enabled',
    `zimbraMailDeliveryAddress: ${name}@example.test`,
    `zimbraMailTransport: ${transport}`,
    '',
    '',
  ].join('\n')
}
