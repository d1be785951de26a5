import type { HealthConfig } from '#src/config/health.ts'
import { lookSocketPath } from '#src/queue/paths.ts'
import type { BootContext } from './boots.ts'
import type { LogBoot } from './ipc.ts'

/** What master tells the `health` process, at its start and with each generation. */
export interface HealthBoot {
  readonly health: HealthConfig
  /** Of [tls], for `tls = true`. */
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string }
  /** Where master and the queue manager tell how things are. */
  readonly controlSocket: string
  readonly queueSocket: string
  readonly log: LogBoot
}

export function healthBoot({ generation, paths, echo }: BootContext): HealthBoot {
  const { config } = generation
  return {
    health: config.health,
    certificate: config.tls,
    controlSocket: paths.lookSocket,
    queueSocket: lookSocketPath(paths.runHealth),
    log: { ...config.log, stdout: echo },
  }
}
