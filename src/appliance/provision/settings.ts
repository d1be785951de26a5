import type { Table } from '#src/config/reader.ts'
import { readNetwork } from './read-network.ts'
import type { InterfaceSettings } from './read-network.ts'
import {
  readConsoleSettings,
  readDns,
  readLdap,
  readMail,
  readSystem,
  readTime,
  readUpdate,
} from './read-services.ts'
import type {
  ConsoleSettings,
  DnsSettings,
  LdapSettings,
  MailSettings,
  SystemSettings,
  TimeSettings,
  UpdateSettings,
} from './read-services.ts'
import { readHealthSettings, readSnmp } from './read-watching.ts'
import type { HealthSettings, SnmpSettings } from './read-watching.ts'

/** All that a box is told before it can take mail: what postern.provision and the console's set-up say. */
export interface Settings {
  readonly system: SystemSettings
  readonly network: readonly InterfaceSettings[]
  readonly dns: DnsSettings
  readonly time: TimeSettings
  readonly ldap: LdapSettings | undefined
  readonly console: ConsoleSettings
  readonly mail: MailSettings
  readonly health: HealthSettings
  readonly snmp: SnmpSettings
  readonly update: UpdateSettings
}

export type Section = keyof Settings

export const SECTIONS: readonly Section[] = [
  'system',
  'network',
  'dns',
  'time',
  'ldap',
  'console',
  'mail',
  'health',
  'snmp',
  'update',
]

/** Reads a whole document; what is wrong with it is told in the problems of the table. */
export function readSettings(top: Table): Settings {
  top.only(SECTIONS)
  return {
    system: readSystem(top.table('system')),
    network: readNetwork(top.table('network')),
    dns: readDns(top.table('dns')),
    time: readTime(top.table('time')),
    ldap: readLdap(top.table('ldap')),
    console: readConsoleSettings(top.table('console')),
    mail: readMail(top.table('mail')),
    health: readHealthSettings(top.table('health')),
    snmp: readSnmp(top.table('snmp')),
    update: readUpdate(top.table('update')),
  }
}
