import { spawn, spawnSync } from 'node:child_process'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, without a shell. Never throws for an exit code. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly input?: string; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A program that does not read its input closes the pipe: not our business.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject)
  child.on('close', resolve)
  return { code: await promise, stdout, stderr }
}

/** As `run`, for set-up steps: anything but exit code 0 throws with what the program said. */
export async function must(program: string, args: readonly string[]): Promise<string> {
  const ran = await run(program, args)
  if (ran.code !== 0)
    throw new Error(`${program} ${args.join(' ')}: exit ${ran.code}: ${ran.stderr}${ran.stdout}`)
  return ran.stdout.trim()
}

/** Whether a program is installed; asked once per test file, before its tests are declared. */
export function installed(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .some((folder) => spawnSync('test', ['-x', `${folder}/${program}`]).status === 0)
}
