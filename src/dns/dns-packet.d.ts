/** The part of dns-packet 5.6.1 that is used here; the package brings no types. */
declare module 'dns-packet' {
  /** A decoder says in `bytes` how many octets its last call took. It throws for what it cannot read. */
  interface Decoder<T> {
    (bytes: Buffer, offset: number): T
    readonly bytes: number
  }

  export const name: { readonly decode: Decoder<string> }
  export const answer: { readonly decode: Decoder<{ readonly data: unknown }> }

  export const TRUNCATED_RESPONSE: number
  export const RECURSION_DESIRED: number
  export const AUTHENTIC_DATA: number
  export const DNSSEC_OK: number

  export interface Query {
    readonly type: 'query'
    readonly id: number
    readonly flags: number
    readonly questions: readonly { readonly type: string; readonly class: 'IN'; readonly name: string }[]
    readonly additionals: readonly {
      readonly type: 'OPT'
      readonly name: '.'
      readonly udpPayloadSize: number
      readonly flags: number
      readonly options: readonly never[]
    }[]
  }
  export function encode(packet: Query): Buffer
}
