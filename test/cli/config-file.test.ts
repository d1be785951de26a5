import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

for (const [tool, args] of [
  ['postern', ['settings']],
  ['postconf', ['-h', 'message_size_limit']],
] as const)
  test(`${tool} takes the file that it is given, else that of POSTERN_CONFIG, else that of the folder`, async (t) => {
    using folder = tempFolder('config-file')
    const file = (name: string, size: number): string => {
      mkdirSync(join(folder.path, name))
      writeFileSync(join(folder.path, name, 'postern.toml'), `[limits]\nmessage_size_limit = ${size}\n`)
      return join(folder.path, name, 'postern.toml')
    }
    const here = join(file('here', 11_111_111), '..')
    const [named, given] = [file('named', 22_222_222), file('given', 33_333_333)]
    const option = tool === 'postconf' ? '-c' : '--config'
    const shown = async (config: string, ...words: readonly string[]) => {
      const ran = await run(join(REPOSITORY, 'bin', tool), words, {
        cwd: here,
        env: { ...process.env, POSTERN_CONFIG: config },
      })
      return `${ran.stderr}${ran.stdout}`
    }
    t.regex(await shown('', ...args), /11111111/)
    t.regex(await shown(named, ...args), /22222222/)
    t.regex(await shown(join(named, '..'), ...args), /22222222/)
    const words = tool === 'postern' ? [...args, option, given] : [option, given, ...args]
    t.regex(await shown(named, ...words), /33333333/)
  })
