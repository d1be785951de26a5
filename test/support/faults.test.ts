import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { alive, descendants, inject } from '#test/support/faults.ts'
import { installed } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** For each line it is given: writes to two files, flushes the first, and says how that went. */
const WRITER = `
const { openSync, writeSync, fsyncSync } = require('node:fs')
const one = openSync(process.argv[1] + '/one', 'a'), two = openSync(process.argv[1] + '/two', 'a')
require('node:readline').createInterface({ input: process.stdin }).on('line', () => {
  const said = []
  for (const step of [() => writeSync(one, 'x'), () => writeSync(two, 'x'), () => fsyncSync(one)]) {
    try { step(); said.push('ok') } catch (error) { said.push(error.code) }
  }
  process.stdout.write(said.join(' ') + '\\n')
})`

const withStrace = installed('strace') ? test : test.skip

for (const { title, fault, expected } of [
  {
    title: 'the second flush fails and no other call',
    fault: { calls: 'fsync,fdatasync', error: 'EIO', when: '2' },
    expected: ['ok ok ok', 'ok ok EIO', 'ok ok ok'],
  },
  {
    title: 'every write to one file fails and no write to another',
    fault: { calls: 'write', error: 'ENOSPC', when: '1+', only: 'one' },
    expected: ['ENOSPC ok ok', 'ENOSPC ok ok', 'ENOSPC ok ok'],
  },
] as const) {
  withStrace(`injected: ${title}, and nothing after the release`, async (t) => {
    using folder = tempFolder('inject')
    const child = spawn(process.execPath, ['-e', WRITER, folder.path], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => child.kill())
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    async function turn(): Promise<string> {
      child.stdin.write('go\n')
      return String((await lines.next()).value)
    }
    t.is(await turn(), 'ok ok ok')
    const { calls, error, when } = fault
    const paths = 'only' in fault ? [join(folder.path, fault.only)] : []
    {
      await using injected = await inject({ pid: child.pid ?? 0, calls, error, when, paths })
      t.deepEqual([await turn(), await turn(), await turn()], [...expected])
      const failed = expected.join(' ').split(error).length - 1
      // strace tells of a call after it was made.
      await until('strace has told of each', () => injected.failures() >= failed)
      t.is(injected.failures(), failed)
    }
    t.is(await turn(), 'ok ok ok')
  })
}

test('descendants are found through a parent, and are not alive once they were killed', async (t) => {
  const child = spawn('sh', ['-c', 'sleep 1000 & sleep 1000 & wait'], { stdio: 'ignore' })
  const pid = child.pid ?? 0
  const family = await until('both sleeps run', () => {
    const found = descendants(pid)
    return found.filter(({ command }) => command === 'sleep 1000').length === 2 && found
  })
  t.is(family[0]?.pid, pid)
  const gone = once(child, 'exit')
  for (const member of family) process.kill(member.pid, 'SIGKILL')
  await gone
  await until('none is alive', () => !family.some((member) => alive(member.pid)))
  t.deepEqual(descendants(pid), [])
})
