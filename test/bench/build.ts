import { fileURLToPath } from 'node:url'
import { BenchError, findProgram, must } from './run-command.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))

/** The compiled helpers of a bench. */
export interface Helpers {
  readonly sink: string
  readonly slowFlush: string
}

/** Compiles the sink and the slow disk into `dir`; seconds. */
export async function buildHelpers(dir: string): Promise<Helpers> {
  const compiler = findProgram('g++')
  if (compiler === undefined) throw new BenchError('g++ is not installed')
  const helpers = { sink: `${dir}/sink`, slowFlush: `${dir}/slow-flush.so` }
  const common = [compiler, '-std=c++20', '-O2', '-Wall', '-Wextra']
  await Promise.all([
    must([...common, '-o', helpers.sink, `${HERE}sink.cc`], 120_000),
    must([...common, '-shared', '-fPIC', '-o', helpers.slowFlush, `${HERE}slow-flush.cc`, '-ldl'], 120_000),
  ])
  return helpers
}
