/**
 * What the native scanner is told and tells. `native/core` has the same names.
 */

/** A file of signatures: ClamAV's .ndb (name:target:offset:hex), .hdb (md5:size:name), .hsb (sha256:size:name). */
export interface SignatureSource {
  readonly name: string
  readonly kind: 'ndb' | 'hdb' | 'hsb'
  readonly text: Uint8Array
}

/** A line that could not be used; the rest of the file is. */
export interface SignatureProblem {
  readonly source: string
  readonly line: number
  readonly reason: string
}

export interface SignatureInfo {
  readonly signatures: number
  readonly problems: readonly SignatureProblem[]
  /** 'hyperscan' (libhs or libvectorscan) or 'plain' (the stand-in where libhs cannot run). */
  readonly engine: 'hyperscan' | 'plain'
  /** Whether the compiled database came out of the cache. */
  readonly cached: boolean
  readonly databaseBytes: number
}

export interface ScanLimits {
  /** Nesting of multipart and message/rfc822; more is verdict 'limit'. */
  readonly depthMax: number
  /** MIME parts in a message; more is verdict 'limit'. */
  readonly partsMax: number
  /** Octets of one header section (Postfix header_size_limit 102400); the rest of a longer one counts as body. */
  readonly headerBytesMax: number
  /** Whether the report has the headers of parts; absent means that it has not. */
  readonly keepHeaders?: boolean
}

/** What a bare LF or CR in DATA becomes. Only CRLF.CRLF ends DATA whichever is set. */
export type BareNewline = 'normalize' | 'reject'

export interface PartReport {
  /** '1', '1.2', '1.2.1': IMAP's numbering. */
  readonly path: string
  /** Content-Type as declared, lower case, without parameters; 'text/plain' if none. */
  readonly type: string
  /** What the first bytes say: 'exe', 'zip', 'pdf', 'ole2', 'gzip', 'png', 'text', 'html'…, '' if nothing known. */
  readonly magic: string
  /** Every reading of every name that the part carries, decoded to Unicode. */
  readonly names: readonly string[]
  /** Decoded size in octets. */
  readonly size: number
  readonly sha256: string
}

/** The header of a part, or (`message`) of a message inside of the message. */
export interface HeaderText {
  readonly message: boolean
  /** As it stands, each octet a character (latin-1); lines with CRLF. */
  readonly text: string
}

export interface SignatureHit {
  readonly signature: string
  /** The part it was found in, '' for the raw message. */
  readonly path: string
}

/** Of the message's own (outermost) header. */
export interface HeaderReport {
  readonly receivedCount: number
  readonly hasFrom: boolean
  readonly hasDate: boolean
  readonly hasMessageId: boolean
  /** To, Cc or Bcc. */
  readonly hasRecipient: boolean
  readonly messageId: string
  readonly subject: string
  /** Lower-case header names that DKIM signatures cover (their h= tags), to know what must not be added. */
  readonly dkimSigned: readonly string[]
  /** Octets of the header section, CRLF CRLF included. */
  readonly bytes: number
}

export interface ScanReport {
  readonly header: HeaderReport
  readonly parts: readonly PartReport[]
  /** Of the parts, if they were asked for (`ScanLimits.keepHeaders`) and there are any: not the outermost. */
  readonly headers?: readonly HeaderText[]
  readonly hits: readonly SignatureHit[]
  /** Limits that were exceeded: 'depth', 'parts', 'header'… Never empty-and-clean when something was not looked at. */
  readonly limits: readonly string[]
  /** Oddities of form: 'no-boundary', 'unclosed-multipart', 'bad-base64', 'long-line', 'epilogue-part'… */
  readonly defects: readonly string[]
  /** True when a literal was seen that only a second look can confirm or clear: see MessageScanner.recheck. */
  readonly needsRecheck: boolean
  readonly bareLf: boolean
  readonly bareCr: boolean
  readonly nul: boolean
  readonly eightBit: boolean
  /** Longest line in octets without CRLF. */
  readonly longestLine: number
  /** Octets of the message after un-stuffing and normalising. */
  readonly bytes: number
}
