import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'

const CHILD = `
  import { print } from '#src/cli/output.ts'
  function* lines() {
    for (let n = 0; n < 2_000_000; n++) yield 'line ' + n + '\\n'
  }
  for (let n = 0; n < 12; n++) await print(['begin\\n'])
  await print(lines())
  process.exitCode = 7
`

test('a tool whose reader goes away in the middle ends quietly, and as it would have otherwise', async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', CHILD], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code]: unknown[] = await once(child, 'close')
  t.deepEqual([code, complaints], [7, ''])
})
