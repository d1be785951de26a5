/** The part of dns-packet 5.6.1 that is used here; the package brings no types. */
declare module 'dns-packet' {
  /** It throws for what it cannot read, and says in `bytes` how many octets its last call took. */
  interface Decoder<T> {
    (bytes: Buffer, offset: number): T
    readonly bytes: number
  }

  interface Decoding<T> {
    readonly decode: Decoder<T>
  }

  export const name: Decoding<string>

  /** Those of record data begin at the two octets of its length. */
  export const a: Decoding<string>
  export const aaaa: Decoding<string>
  export const ptr: Decoding<string>
  export const mx: Decoding<{ readonly preference: number; readonly exchange: string }>
  export const txt: Decoding<readonly Buffer[]>
  export const tlsa: Decoding<{
    readonly usage: number
    readonly selector: number
    readonly matchingType: number
    readonly certificate: Buffer
  }>
  export const soa: Decoding<{ readonly mname: string; readonly serial: number; readonly minimum: number }>

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
