/** The part of net-snmp 3.29.2 that is used here: the messages of AgentX (RFC 2741 section 6). It brings no types. */
declare module 'net-snmp' {
  /** A value on its way: what its type does not allow throws when it is written. */
  export interface Varbind {
    readonly oid: string
    readonly type: number
    readonly value: number | bigint | string | null
  }

  export interface SearchRange {
    /** null for 0.0. */
    readonly start: string | null
    readonly end: string | null
  }

  export interface PduVariables {
    readonly pduType: number
    readonly sessionID?: number
    readonly transactionID?: number
    readonly packetID?: number
    readonly oid?: string
    readonly descr?: string
    readonly timeout?: number
    readonly priority?: number
    readonly error?: number
    readonly index?: number
    readonly varbinds?: readonly Varbind[]
  }

  export class AgentXPdu {
    /** A packet id of 0 is replaced, so it is set afterwards. */
    static createFromVariables(variables: PduVariables): AgentXPdu
    /** Throws for what is no message of a master agent. */
    static createFromBuffer(bytes: Buffer): AgentXPdu
    packetID: number
    readonly searchRangeList?: readonly SearchRange[]
    toBuffer(): Buffer
  }
}
