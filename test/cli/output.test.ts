import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { tempFolder } from '#test/support/temp.ts'

const CHILD = `
  import { print, watchOutput } from '#src/cli/output.ts'
  watchOutput()
  function* lines() {
    for (let n = 0; n < 2_000_000; n++) yield 'line ' + n + '\\n'
  }
  for (let n = 0; n < 12; n++) await print(['begin\\n'])
  await print(lines())
  process.exitCode = 7
`

/** The exit code of a program of Node whose reader goes, and what it complains of. */
async function unread(args: readonly string[], cwd: string, when: 'at once' | 'in the middle') {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  if (when === 'in the middle') await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code]: unknown[] = await once(child, 'close')
  return [code, complaints]
}

test('a tool whose reader goes away in the middle ends quietly, and as it would have otherwise', async (t) => {
  const args = ['--input-type=module', '--eval', CHILD]
  t.deepEqual(await unread(args, REPOSITORY, 'in the middle'), [7, ''])
})

for (const command of ['settings', 'help', 'version']) {
  test(`"postern ${command}" that nobody reads complains of nothing`, async (t) => {
    using folder = tempFolder('unread')
    const args = [join(REPOSITORY, 'bin', 'postern'), command]
    t.deepEqual(await unread(args, folder.path, 'at once'), [0, ''])
  })
}
