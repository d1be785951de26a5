import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Run inside the booted machine by prove.sh: sends mail without a pause while Postern is reloaded, restarted, and each of its
 * processes killed, and counts. Exit code 0 if no connection was refused and every mail that was answered 250 has arrived.
 */
const SENDERS = 4
const say = (text) => process.stdout.write(`${text}\n`)
const systemctl = (...words) => execFileSync('systemctl', words, { encoding: 'utf8' })
const counts = { taken: new Set(), refused: 0, broken: 0, later: 0 }
const over = new AbortController()
let next = 0

/** One session; resolves with the reply to the message, or with why there was none. */
function session(subject) {
  return new Promise((resolve) => {
    const words = [
      'EHLO client.example',
      'MAIL FROM:<me@client.example>',
      'RCPT TO:<alice@example.test>',
      'DATA',
      `Subject: ${subject}\r\n\r\nHello.\r\n.`,
    ]
    const socket = connect(25, '127.0.0.1')
    let rest = ''
    let last = ''
    socket.setTimeout(60_000, () => socket.destroy(new Error('silence')))
    socket.setEncoding('utf8')
    socket.on('data', (text) => {
      rest += text
      const lines = rest.split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines.filter((one) => /^\d{3} /.test(one))) {
        last = line
        const word = /^[23]/.test(line) ? words.shift() : undefined
        if (word === undefined) socket.end('QUIT\r\n')
        else socket.write(`${word}\r\n`)
        if (word === undefined) resolve(words.length === 0 ? line : `not sent: ${line}`)
      }
    })
    socket.on('error', (error) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve(`closed after ${last}`))
  })
}

async function send() {
  while (!over.signal.aborted) {
    const subject = `mail-${(next += 1)}`
    const answer = await session(subject)
    if (answer.startsWith('250 ')) counts.taken.add(subject)
    else if (answer === 'ECONNREFUSED') counts.refused += 1
    else if (/^(?:not sent: )?4/.test(answer)) counts.later += 1
    else counts.broken += 1
  }
}

/** Until so many more were taken: mail goes on. */
async function more(what, count) {
  const until = counts.taken.size + count
  const began = Date.now()
  while (counts.taken.size < until) {
    if (Date.now() - began > 120_000) throw new Error(`no mail is taken after ${what}`)
    await pause(50)
  }
  say(`${what}: mail goes on after ${((Date.now() - began) / 1000).toFixed(1)} s`)
}

function arrived() {
  const files = readdirSync('/var/lib/postern/mailboxes', { recursive: true, withFileTypes: true })
  return new Set(
    files
      .filter((entry) => entry.isFile() && entry.parentPath.endsWith('/new'))
      .map(
        (entry) =>
          /^Subject: (mail-\d+)/m.exec(readFileSync(`${entry.parentPath}/${entry.name}`, 'latin1'))?.[1],
      ),
  )
}

/** What a service sees of the data, by its own view of the files. */
function seen(unit, folder = '') {
  const pid = systemctl('show', '--property=MainPID', '--value', unit).trim()
  return readdirSync(`/proc/${pid}/root/var/lib/postern${folder}`).toSorted().join(' ')
}

const VIEWS = [
  ['postern-smtpd@1', '', 'cache directory log queue run signatures tls'],
  ['postern-smtpd@1', '/queue', 'spool'],
  ['postern-smtpd@1', '/run', 'smtpd'],
  ['postern-health', '', 'cache log run tls'],
  ['postern-mailbox', '', 'cache log mailboxes run'],
]
for (const [unit, folder, expected] of VIEWS)
  if (seen(unit, folder) !== expected) throw new Error(`${unit} sees in ${folder}: ${seen(unit, folder)}`)

const senders = Array.from({ length: SENDERS }, send)
await more('the start', 50)
systemctl('reload', 'postern')
await more('reload', 50)
systemctl('restart', 'postern')
await more('restart', 50)
for (const unit of [
  'postern-smtpd@1',
  'postern-qmgr',
  'postern-directory',
  'postern-mailbox',
  'postern-health',
  'postern',
]) {
  systemctl('kill', '--kill-who=main', '--signal=KILL', unit)
  await more(`kill -9 of ${unit}`, 50)
}
over.abort()
await Promise.all(senders)
const deadline = Date.now() + 120_000
let missing = [...counts.taken]
while (missing.length > 0 && Date.now() < deadline) {
  await pause(500)
  const there = arrived()
  missing = missing.filter((subject) => !there.has(subject))
}
const states = systemctl('list-units', '--plain', '--no-legend', '--failed')
say(
  `${counts.taken.size} answered 250, ${missing.length} of them missing, ${counts.later} told to come again, ${counts.broken} broken off, ${counts.refused} refused`,
)
if (states !== '') say(`failed units:\n${states}`)
process.exit(missing.length === 0 && counts.refused === 0 && states === '' ? 0 : 1)
