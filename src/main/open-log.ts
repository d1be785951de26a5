import { openSync } from 'node:fs'
import type { LogTargets } from '#src/base/log.ts'
import type { LogBoot } from './ipc.ts'

/**
 * The descriptors that one process logs to. Files are private, and appended to: every process writes to the same
 * ones, whole lines at a time.
 */
export function logTargets(service: string, boot: LogBoot): LogTargets {
  return {
    service,
    level: boot.level,
    jsonFd: boot.jsonFile === '' ? undefined : openSync(boot.jsonFile, 'a', 0o600),
    textFd: boot.textFile === '' ? undefined : openSync(boot.textFile, 'a', 0o600),
    echoFd: boot.stdout ? 1 : undefined,
  }
}
