import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

const tool = (folder: string, name: string, ...words: readonly string[]) =>
  run(join(REPOSITORY, 'bin', name), words, { cwd: folder })

test('zmcontrol and zmmtactl stop, start and tell what runs, in the words of Zimbra', async (t) => {
  using folder = tempFolder('zmcontrol')
  await using postern = await Appliance.start({
    folder: folder.path,
    settings: ['zimbraMtaMyHostname = "mx.test"'],
  })
  const running = await tool(folder.path, 'zmcontrol', 'status')
  t.is(running.code, 0, running.stdout)
  t.regex(running.stdout, /^Host mx\.test\n(?:\t[a-z]+ +Running\n)+$/)
  t.true(running.stdout.includes('\tmta                     Running\n'))
  t.deepEqual(await tool(folder.path, 'zmmtactl', 'status'), { code: 0, stdout: '', stderr: '' })
  t.deepEqual(await tool(folder.path, 'zmmtactl', 'restart'), { code: 0, stdout: '', stderr: '' })
  t.true(postern.running)

  const stopped = await tool(folder.path, 'zmcontrol', 'stop')
  t.deepEqual(stopped, { code: 0, stdout: 'Host mx.test\n\tStopping mta...Done.\n', stderr: '' })
  t.false(postern.running)
  const down = await tool(folder.path, 'zmcontrol', 'status')
  t.is(down.code, 1)
  t.is(down.stdout, 'Host mx.test\n\tmta                     Stopped\n\t\tpostern is not running\n')
  t.is((await tool(folder.path, 'zmmtactl', 'status')).code, 1)

  try {
    const started = await tool(folder.path, 'zmcontrol', 'start')
    t.deepEqual(started, { code: 0, stdout: 'Host mx.test\n\tStarting mta...Done.\n', stderr: '' })
    t.is((await tool(folder.path, 'zmcontrol', 'start')).code, 0)
    const again = await tool(folder.path, 'zmcontrol', 'restart')
    t.deepEqual([again.code, again.stdout.match(/Done\./g)?.length], [0, 2])
    t.is((await tool(folder.path, 'zmcontrol', 'status')).code, 0)
  } finally {
    await tool(folder.path, 'zmcontrol', 'stop')
  }
})

for (const [words, code, says] of [
  [['-v'], 0, /^Release \d+\.\d+\.\d+ Postern\n$/],
  [[], 1, /zmcontrol \[-v -h -H <host>\] command/],
  [['explode'], 1, /Command in:/],
] as const) {
  test(`zmcontrol ${words.join(' ')} ends with ${code} and shows what it should`, async (t) => {
    using folder = tempFolder('zmcontrol')
    const ran = await tool(folder.path, 'zmcontrol', ...words)
    t.is(ran.code, code)
    t.regex(ran.stdout, says)
  })
}

test('zmcontrol controls no other host', async (t) => {
  using folder = tempFolder('zmcontrol')
  const ran = await tool(folder.path, 'zmcontrol', '-H', 'other.test', 'stop')
  t.is(ran.code, 1)
  t.regex(ran.stderr, /it controls no other host/)
})
