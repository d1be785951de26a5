import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'

/** Where the queue of this data folder lies. */
export function queuePathsOf(config: Config): QueuePaths {
  const paths = pathsOf(config.dataFolder)
  return { queueDir: paths.queue, spoolDir: paths.spool, runDir: paths.run }
}
