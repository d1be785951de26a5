/** Of the console of machines that tests set up. */
export const PASSWORD = 'correct horse battery'

/** A postern.provision for a machine whose mailbox server listens on `lmtpPort` of this one's loopback (10.0.2.2 in QEMU's network). */
export function provisionFor(lmtpPort: number): string {
  return [
    '[system]',
    'hostname = "mx1.example.test"',
    '[console]',
    `password = "${PASSWORD}"`,
    '[mail]',
    'domain = "example.test"',
    `lmtp = "10.0.2.2:${lmtpPort}"`,
    '',
  ].join('\n')
}
