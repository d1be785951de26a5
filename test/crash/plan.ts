/**
 * How much of each crash test is done: a short form in `make test`, a long one in `make test-crash`. A test of
 * chance prints its seed; POSTERN_SEED=n makes the same choices again.
 */
const long = process.env['POSTERN_CRASH'] === 'long'

export const PLAN = {
  /** Processes killed, one a round. */
  killRounds: long ? 500 : 15,
  /** The same with the embedded mailbox store. */
  mailboxKillRounds: long ? 100 : 6,
  /** The same amid retries, bounces and queue tools, and with writes that fail instead. */
  stormKillRounds: long ? 150 : 6,
  stormIoRounds: long ? 150 : 6,
  /** The queue manager alone, killed amid reports: each death of the same process is waited for longer. */
  reportKillRounds: long ? 50 : 4,
  /** Power cuts, and on how many of them the whole appliance is started besides. */
  crashStates: long ? 2000 : 60,
  crashStatesStarted: long ? 40 : 2,
  /** Mails of the load whose disk is cut off. */
  powerCutMails: long ? 600 : 120,
  /** The n-th system call that fails: 1 to this. */
  faultsUpTo: long ? 12 : 2,
} as const
