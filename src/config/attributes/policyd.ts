import type { AttributeTable } from '#src/config/attribute.ts'
import { GLOBAL_SERVER, later } from '#src/config/attribute.ts'

/** The policy daemon (cbpolicyd). */
export const POLICYD_ATTRIBUTES: AttributeTable = {
  zimbraCBPolicydAccessControlEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydAccountingEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydAmavisEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydBindPort: { type: 'integer', scope: GLOBAL_SERVER, default: '10031', use: later('policyd') },
  zimbraCBPolicydBypassMode: {
    type: 'enum',
    values: ['tempfail', 'pass'],
    scope: GLOBAL_SERVER,
    default: 'tempfail',
    use: later('policyd'),
  },
  zimbraCBPolicydBypassTimeout: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '30',
    use: later('policyd'),
  },
  zimbraCBPolicydCheckHeloEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydCheckSPFEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydGreylistingBlacklistMsg: {
    type: 'string',
    scope: GLOBAL_SERVER,
    default: 'Greylisting in effect, sending server blacklisted',
    use: later('policyd'),
  },
  zimbraCBPolicydGreylistingDeferMsg: {
    type: 'string',
    scope: GLOBAL_SERVER,
    default: 'Greylisting in effect, please come back later',
    use: later('policyd'),
  },
  zimbraCBPolicydGreylistingEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydGreylistingTrainingEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('policyd'),
  },
  zimbraCBPolicydLogLevel: { type: 'integer', scope: GLOBAL_SERVER, default: '3', use: later('policyd') },
  zimbraCBPolicydMaxRequests: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '1000',
    use: later('policyd'),
  },
  zimbraCBPolicydMaxServers: { type: 'integer', scope: GLOBAL_SERVER, default: '25', use: later('policyd') },
  zimbraCBPolicydMaxSpareServers: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '12',
    use: later('policyd'),
  },
  zimbraCBPolicydMinServers: { type: 'integer', scope: GLOBAL_SERVER, default: '4', use: later('policyd') },
  zimbraCBPolicydMinSpareServers: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '4',
    use: later('policyd'),
  },
  zimbraCBPolicydQuotasEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'TRUE',
    use: later('policyd'),
  },
  zimbraCBPolicydTimeoutBusy: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '120',
    use: later('policyd'),
  },
  zimbraCBPolicydTimeoutIdle: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '1020',
    use: later('policyd'),
  },
}
