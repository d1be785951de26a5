/**
 * Where the boot check of a new release sends its mail. The name can never be anybody's (RFC 2606 section 2): smtpd takes it
 * from this machine alone, and the queue manager hands it to whoever listens on the socket of the self-test.
 */
export const SELF_TEST_DOMAIN = 'selftest.postern.invalid'
export const SELF_TEST_ADDRESS = `postern@${SELF_TEST_DOMAIN}`
