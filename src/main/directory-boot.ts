import type { LdapConfig } from '#src/config/directory-source.ts'
import { SETTING_ATTRIBUTES } from '#src/config/catalogue.ts'
import type { AuthSettings } from '#src/directory/auth/authenticator.ts'
import type { BootContext } from './boots.ts'
import type { LogBoot } from './ipc.ts'

/** What master tells the `directory` process at its start and at each new generation; plain data. */
export interface DirectoryBoot {
  readonly generation: number
  readonly hostname: string
  /** Absolute path of its socket. */
  readonly socket: string
  /** The one for smtpd. */
  readonly lookupSocket: string
  /** What lookups read: the embedded directory, or the mirror, which this process alone writes. */
  readonly directoryFile: string
  /** Failed attempts to log in, which this process alone knows. */
  readonly attemptsFile: string
  /** undefined: the embedded directory. */
  readonly ldap: LdapConfig | undefined
  /** Attributes of globalConfig and of server entries that are wanted, in lower case. */
  readonly settingNames: readonly string[]
  readonly recipientDelimiter: string
  readonly expansionLimit: number
  /** Whether recipients are looked up by their canonical address. */
  readonly canonical: boolean
  readonly auth: AuthSettings
  readonly log: LogBoot
}

export function directoryBoot({ generation, paths, echo }: BootContext): DirectoryBoot {
  const { config, settings, number } = generation
  const { ldap } = config.directory
  return {
    generation: number,
    hostname: settings.myHostname,
    socket: paths.directorySocket,
    lookupSocket: paths.lookupSocket,
    directoryFile: paths.directory,
    attemptsFile: paths.attempts,
    ldap: ldap === undefined ? undefined : { ...ldap, pollMs: settings.configPollMs },
    // Those without an effect too: whoever sets one is told.
    settingNames: SETTING_ATTRIBUTES,
    recipientDelimiter: settings.recipientDelimiter,
    expansionLimit: settings.virtualAliasExpansionLimit,
    canonical: settings.canonicalMaps !== '',
    auth: {
      defaultDomain: generation.defaultDomain,
      ...config.auth,
      soapUrls: settings.soapAuthUrls,
      soapHosts: settings.soapAuthHosts,
      soapPort: settings.soapAuthPort,
      myNetworks: settings.myNetworks,
      rateLimit: settings.clientAuthRateLimit,
    },
    log: { ...config.log, stdout: echo },
  }
}
