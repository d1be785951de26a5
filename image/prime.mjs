// prime.mjs SOURCE: has Node compile every module of the program, for $NODE_COMPILE_CACHE, without starting anything.
//
// Modules that only define things are imported. Those that start something when they are imported (ENTRIES) are linked:
// Node compiles a whole graph of modules before it runs the first of them, and the first one here ends the process.
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { argv, env, execPath } from 'node:process'
import { execFileSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'

const ENTRIES = [
  'src/appliance/',
  'src/cli/postern.ts',
  'src/console/main.ts',
  'src/main/directory.ts',
  'src/main/health.ts',
  'src/main/mailbox.ts',
  'src/main/master.ts',
  'src/main/qmgr.ts',
  'src/main/smtpd.ts',
]

const root = resolve(argv[2])
const modules = readdirSync(join(root, 'src'), { recursive: true })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `src/${file}`)
  .sort()
const starts = (file) => ENTRIES.some((entry) => file === entry || (entry.endsWith('/') && file.startsWith(entry)))

for (const file of modules.filter((module) => !starts(module))) await import(pathToFileURL(join(root, file)).href)

const ends = 'data:text/javascript,process.exit(0)'
for (const file of [...modules.filter(starts), 'bin/postern']) {
  const both = `import ${JSON.stringify(ends)}; import ${JSON.stringify(pathToFileURL(join(root, file)).href)}`

  execFileSync(execPath, [...process.execArgv, '--input-type=module', '--eval', both], { env })
}
process.exit(0)
