import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { alive } from '#test/support/faults.ts'
import { tempFolder } from '#test/support/temp.ts'

for (const { title, signal, whom } of [
  { title: 'Ctrl-C in its terminal', signal: 'SIGINT', whom: 'group' },
  { title: 'SIGTERM to master', signal: 'SIGTERM', whom: 'master' },
] as const) {
  test(`${title} stops the appliance with exit code 0 and leaves no process`, async (t) => {
    using folder = tempFolder('ctrl-c')
    await using postern = await Appliance.start({ folder: folder.path, workers: 2 })
    const pids = postern.family().map(({ pid }) => pid)
    // master, two smtpd, qmgr, mailbox
    t.true(
      pids.length >= 5,
      postern
        .family()
        .map(({ command }) => command)
        .join('\n'),
    )
    t.is(await postern.stop(signal, whom), 0, postern.output)
    t.deepEqual(
      pids.filter((pid) => alive(pid)),
      [],
    )
    t.not((await postern.tool('status')).code, 0)
  })
}

test('postern stop ends the appliance', async (t) => {
  using folder = tempFolder('stop')
  await using postern = await Appliance.start({ folder: folder.path })
  const pids = postern.family().map(({ pid }) => pid)
  const stopped = await postern.tool('stop')
  t.is(stopped.code, 0, stopped.stderr)
  t.deepEqual(
    pids.filter((pid) => alive(pid)),
    [],
  )
})
