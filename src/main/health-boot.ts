import { randomUUID } from 'node:crypto'
import type { HealthConfig } from '#src/config/health.ts'
import { readToken } from '#src/config/health.ts'
import type { SnmpConfig } from '#src/config/snmp.ts'
import { lookSocketPath } from '#src/queue/paths.ts'
import type { BootContext } from './boots.ts'
import type { LogBoot } from './ipc.ts'

/** What master tells the `health` process, at its start and with each generation. */
export interface HealthBoot {
  readonly health: HealthConfig
  /** What is in its token file, which is master's to read; '' for none. */
  readonly token: string
  readonly snmp: SnmpConfig
  /** Of [tls], for `tls = true`. */
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string }
  /** Where master and the queue manager tell how things are. */
  readonly controlSocket: string
  readonly queueSocket: string
  /** A folder that is the health process's alone. */
  readonly ownFolder: string
  readonly log: LogBoot
}

export function healthBoot({ generation, paths, echo }: BootContext): HealthBoot {
  const { config } = generation
  return {
    health: config.health,
    token: tokenOf(config.health.tokenFile),
    snmp: config.snmp,
    certificate: config.tls,
    controlSocket: paths.lookSocket,
    queueSocket: lookSocketPath(paths.runHealth),
    ownFolder: paths.healthCache,
    log: { ...config.log, stdout: echo },
  }
}

/** A file that has gone since the settings were read is a token that nobody knows. */
function tokenOf(file: string): string {
  if (file === '') return ''
  try {
    return readToken(file)
  } catch {
    return randomUUID()
  }
}
