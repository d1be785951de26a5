/** The command was called with words that it does not know. Exit code 2. */
export class UsageError extends Error {}

/** The command cannot be done, for the reason that the message says. Exit code 1. */
export class CommandError extends Error {}

export const HELP = `Usage: postern COMMAND [OPTION…]

  start                  start the appliance in the foreground; Ctrl-C stops it
    --detach             start it in the background, and return when it takes mail
  status [--json]        what runs: processes, listeners, queue; exit code 3 if nothing does
  stop                   end it, and return when it has ended
  reload                 read postern.toml, certificate and signatures anew, without dropping a session
  version                the release

  mailq                  the queue as Postfix shows it
  queue list [--json]    the queue, one message a line
  queue delete|hold|release|requeue|flush ID…|ALL

  directory import FILE|-   take entries from LDIF; all of them or none
  directory export          the whole directory as LDIF
  settings [--markdown]     every setting with the value that is in force
  help                      this text

Every command takes --config FILE; without it, postern.toml of the current folder counts, and where there is none, all
defaults do, with the data in ./var.
`
