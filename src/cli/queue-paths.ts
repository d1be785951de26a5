import { join } from 'node:path'
import type { Config } from '#src/config/config.ts'
import type { QueuePaths } from '#src/queue/paths.ts'

/** Where the queue of this data folder lies. */
export function queuePathsOf(config: Config): QueuePaths {
  const queueDir = join(config.dataFolder, 'queue')
  return { queueDir, spoolDir: join(queueDir, 'spool'), runDir: join(config.dataFolder, 'run') }
}
