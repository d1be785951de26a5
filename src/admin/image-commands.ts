/**
 * The helper of the appliance image: a socket of root's, spoken to as master's control socket is, a JSON object on a
 * line and one back, `{"ok":true,…}` or `{"ok":false,"error":"…"}`. Each answer may have `lines`, a list of texts for
 * the page, and `text`, a sentence.
 *
 *     {"command":"network"}                                                   how the network is set up
 *     {"command":"network-set","words":["eth0","dhcp"]}                       or ["eth0","192.0.2.5/24","192.0.2.1"]
 *     {"command":"dns-set","words":["192.0.2.53"]}     {"command":"time-set","words":["ntp.example.com"]}
 *     {"command":"hostname-set","words":["mx1.example.com"]}
 *     {"command":"ldap-set","words":["ldap://l1,ldap://l2","cn=name","password","yes"]}   `-` for none; StartTLS
 *     {"command":"mail-set","words":["mailbox.example.com:7025"]}             or "-"
 *     {"command":"setup-done"}        the console has a password now     {"command":"provision"}   a stick is there
 *     {"command":"slots"}                                                     both versions, and why one was left; SNMP reads
 *                     "slot":"a", "version":"1.2.3", "triesLeft":2 (absent where the release is kept), and of the release
 *                     that was left last "fallback":{"version":…,"reason":…,"atMs":…}
 *     {"command":"update","words":["/var/lib/postern/updates/postern.ptu"]}   answers when it is written
 *                     "anyway" behind it: also where it cannot be noted what waits in the queue
 *     {"command":"stick"}             "files": updates on the USB stick, the newest first
 *     {"command":"update-stick","words":["postern-2.0.0-amd64.ptu"]}          as "update", from the stick
 *     {"command":"progress"}          of an update: {"running":true,"percent":40,"text":"root is written"}
 *     {"command":"boot-previous"}     this one time; with the word "stay" until the next update
 *     {"command":"recovery-key"}      of an encrypted data partition, in "lines"
 *     {"command":"restart"} {"command":"power-off"} {"command":"factory-reset","words":["keep"]}   or ["wipe"]
 */
export type ImageCommand =
  | 'network'
  | 'network-set'
  | 'dns-set'
  | 'time-set'
  | 'hostname-set'
  | 'ldap-set'
  | 'mail-set'
  | 'setup-done'
  | 'provision'
  | 'slots'
  | 'update'
  | 'stick'
  | 'update-stick'
  | 'progress'
  | 'boot-previous'
  | 'recovery-key'
  | 'restart'
  | 'power-off'
  | 'factory-reset'

/** How long an update may take: half a gigabyte is checked, written and read back, minutes on slow flash. */
export const UPDATE_MS = 3_600_000
