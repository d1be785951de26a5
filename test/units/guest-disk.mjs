import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Run inside the booted machine by prove.sh: Debian's smartctl runs in its sandbox and leaves an answer, and what an answer says
 * of wear is an alarm, once. A machine in a container has no disk, so it is asked of /dev/null, and the answers that tell of
 * wear are this program's. Exit code 0 if so.
 */
const WAIT_MS = 180_000
const say = (text) => process.stdout.write(`${text}\n`)
const systemctl = (...words) => execFileSync('systemctl', words, { encoding: 'utf8' }).trim()
const alarms = () => execFileSync('postern', ['alarms'], { encoding: 'utf8' })

const ANSWER = '/run/postern-disks/null.json'
if (existsSync(ANSWER)) throw new Error('somebody has asked already')
for (const round of [1, 2]) {
  systemctl('start', 'postern-disk@null.service')
  const { smartctl } = JSON.parse(readFileSync(ANSWER, 'utf8'))
  if (smartctl.argv.at(-1) !== '/dev/null' || typeof smartctl.exit_status !== 'number')
    throw new Error(`round ${round}: ${JSON.stringify(smartctl)}`)
}
if (existsSync('/run/postern-disks/null.new')) throw new Error('half an answer is left')
if ((statSync(ANSWER).mode & 0o444) !== 0o444) throw new Error('master cannot read it')
say('smartctl runs in its sandbox, and leaves its answer')

/** As the unit leaves it: whole. */
function answer(report) {
  writeFileSync('/run/postern-disks/sdz.new', JSON.stringify(report))
  renameSync('/run/postern-disks/sdz.new', '/run/postern-disks/sdz.json')
}

async function until(what, isSo) {
  const began = Date.now()
  while (!isSo()) {
    if (Date.now() - began > WAIT_MS) throw new Error(`in vain: ${what}: ${alarms()}`)
    await pause(1000)
  }
  say(`${what} after ${((Date.now() - began) / 1000).toFixed(0)} s`)
}

const told = (event) =>
  execFileSync('journalctl', ['--no-pager', '-o', 'cat', '-u', 'postern'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(`alarm.${event} `) && line.includes('DISK_WORN')).length

answer({ smart_status: { passed: true }, nvme_smart_health_information_log: { percentage_used: 97 } })
await until('a worn disk is an alarm', () =>
  /DISK_WORN.*sdz[^]*about 97 % of its life time is used/.test(alarms()),
)
answer({ smart_status: { passed: true }, nvme_smart_health_information_log: { percentage_used: 1 } })
await until('it is over', () => !alarms().includes('DISK_WORN'))
if (told('raised') !== 1 || told('cleared') !== 1)
  throw new Error(`raised ${told('raised')} times, cleared ${told('cleared')} times`)
