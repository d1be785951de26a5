import { openSync } from 'node:fs'
import type { LogTargets } from '#src/base/log.ts'
import type { LogBoot } from './ipc.ts'

/** Without what the umask of master takes away: the group writes too where each process is a user of its own. */
const LOG_MODE = 0o660

/**
 * The descriptors that one process logs to. Files are private, and appended to: every process writes to the same
 * ones, whole lines at a time.
 */
export function logTargets(service: string, boot: LogBoot): LogTargets {
  return {
    service,
    level: boot.level,
    jsonFd: boot.jsonFile === '' ? undefined : openSync(boot.jsonFile, 'a', LOG_MODE),
    textFd: boot.textFile === '' ? undefined : openSync(boot.textFile, 'a', LOG_MODE),
    echoFd: boot.stdout ? 1 : undefined,
  }
}
