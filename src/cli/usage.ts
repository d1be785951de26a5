/** The command was called with words that it does not know. Exit code 2. */
export class UsageError extends Error {}

/** Exit code 1. */
export { CommandError } from '#src/admin/command-error.ts'

export const HELP = `Usage: postern COMMAND [OPTION…]

  start                  start the appliance in the foreground; Ctrl-C stops it
    --detach             start it in the background, and return when it takes mail
  alarms [--json]        what an operator has to look at, and what to do about it
  status [--json]        what runs: processes, listeners, queue; exit code 3 if nothing does
  stop                   end it, and return when it has ended
  reload                 read postern.toml, certificate and signatures anew, without dropping a session
  version                the release
  console [--stay]       a page for any terminal: how things are, queues, trace, log, settings, tests (docs/console.md)
    --set-password       asks for the password that the console then wants before it shows more than how things are

  mailq                  the queue as Postfix shows it
  queue list [--json] [--limit N] [WHICH]    the queue, one message a line
  queue show ID…         one message: why it waits, its header, the start of its text, its life
  queue domains          recipients that wait, by domain and state
  queue delete|hold|release|requeue|flush|expire ID…|ALL|WHICH
    WHICH: --queue NAME[,…] --sender A --sender-domain D --recipient A --recipient-domain D --client IP|NAME
           --subject TEXT --verdict WORD --reply TEXT --older-than 2h --newer-than 3d; all that is given must hold
    --note TEXT          why: kept in the trace of each message, with who did it
  trace ID…|--sender A --recipient A --client C --subject TEXT --verdict WORD --reply TEXT --since T --until T
                         the whole life of messages, those that are gone too [--limit N] [--json]

  selftest [--json] [--selector S,S…] [DOMAIN…]
                         what the DNS tells others of this host and its domains: A, PTR, MX, SPF, DKIM, DMARC

  snmp-config [--listen ADDRESS,…] [--inform HOST,…|--trap HOST,…] [--v2c NAME --from NETWORK] [--agentx SOCKET]
    [--contact TEXT] [--location TEXT] USER…
                         prints settings for Debian's snmpd, with new passwords for these users (docs/snmp.md)

  update FILE|URL        another release of the appliance image; the machine starts it, and comes back if it fails
    --status [--json]    both slots, and what was given up and why
    --previous [--stay]  the release before, for one start; with --stay until the next update

  tlsrpt [--json] [--day 2026-11-22] [--domain D]
                         sessions with other domains' hosts and what was wrong with TLS, by day (UTC); --json: as
                         RFC 8460 reports, one a line

  directory import FILE|-   take entries from LDIF; all of them or none
  directory export          the whole directory as LDIF
  directory accept          take over what was held back of a directory server
  lockouts [--json]         accounts and client addresses that failed logins have locked out
  lockouts forgive WHO      lets an account, an address or ALL try again
  import-zimbra --ldif FILE|-|--ldap URL [--bind-dn DN --password-file FILE --ca FILE --no-starttls --base DN]
    [--postconf FILE] [--localconfig FILE] [--server NAME] [--json]
                         what a Zimbra would be here: honoured, different, lost, and what to look at before the switch
    --apply [--replace]  take it over into the embedded directory; --replace: instead of what is there
  settings [--notes]        every setting with the value that is in force; --notes: what is set and has no effect
  generations [--limit N]   the history of the settings, the newest first
  diff A [B]                what generation B (or the newest) has otherwise than A
  rollback N                the settings of generation N again; rollback --release ends that
  help                      this text

Every command takes --config FILE; without it, postern.toml of the current folder counts, and where there is none, all
defaults do, with the data in ./var.
`
