/**
 * What a queued message is made of. States and their moves: docs/queue.md.
 *
 * State is kept per recipient. 'active' exists in memory only: on disk such a recipient is still 'incoming' or
 * 'deferred', so a crash leaves nothing to undo.
 */
export type RecipientState = 'incoming' | 'active' | 'deferred' | 'hold' | 'corrupt'

/**
 * RFC 3461 section 4.1. An empty list means that the sender said nothing (FAILURE and, by us, DELAY). EXPANDED is
 * ours, and no client can say it: this recipient is an address that has become several others, which are
 * recipients of their own; nothing is delivered to it, and its sender is told so (section 5.2.7.3).
 */
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY' | 'EXPANDED'

export interface NewRecipient {
  /** Where it goes, after aliases: local part as given, domain in lower-case A-labels. */
  readonly address: string
  /** As RCPT gave it; equals `address` where nothing was rewritten. */
  readonly original: string
  /** ORCPT as given, `rfc822;user@example.com`, still xtext encoded; '' if none. */
  readonly orcpt: string
  readonly notify: readonly Notify[]
}

/** Who handed the message over. For the trace, the log and the bounce. */
export interface Origin {
  readonly clientAddress: string
  readonly clientPort: number
  /** Verified host name, or 'unknown'. */
  readonly clientName: string
  readonly helo: string
  /** RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPSA…; 'local' for what we wrote ourselves. */
  readonly protocol: string
}

/** A body of up to `inlineBodyMaxBytes` lies in the row; a larger one in a recycled file of spool/. */
export type Body =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'spool'; readonly file: string; readonly length: number }

export interface NewMessage {
  /** Queue id in Postfix's long form (`enable_long_queue_ids`), made by the receiving process. */
  readonly id: string
  /** Wall clock, milliseconds since 1970. */
  readonly arrivedMs: number
  /** Envelope sender; '' is the null reverse-path. */
  readonly sender: string
  readonly recipients: readonly NewRecipient[]
  /** BODY=8BITMIME was said (RFC 6152). */
  readonly eightBit: boolean
  /** SMTPUTF8 was said (RFC 6531). */
  readonly smtpUtf8: boolean
  /** RFC 3461 section 4.3; '' if not said. */
  readonly ret: '' | 'FULL' | 'HDRS'
  /** ENVID as given, still xtext encoded; '' if none. */
  readonly envid: string
  readonly origin: Origin
  /** Header lines that we put on top (Received, missing headers), each ended by CRLF. */
  readonly prefix: string
  readonly body: Body
  /** CRC-32 (zlib) of the body bytes. */
  readonly bodyCrc32: number
  /** The Message-ID header, for the log; '' if none. */
  readonly messageId: string
  /** The verdict and what it rests on, kept with the message (JSON object). */
  readonly verdict: Readonly<Record<string, unknown>>
  /** Settings generation that it was judged under. */
  readonly generation: number
  /** REQUIRETLS was said (RFC 8689): it may only go on to whom has promised TLS too. */
  readonly requireTls?: boolean
  /** It begins on hold, with these words of the rule that said so (header_checks, HOLD), for the trace; perhaps ''. */
  readonly hold?: string
  /** MT-PRIORITY of a client that may have one (RFC 6710): -9 to 9, absent for 0. */
  readonly priority?: number
  /** A notice to postmaster that we wrote: when it fails it is dropped, and nobody is told (never a third bounce). */
  readonly notice?: boolean
}

/**
 * What became of a submission. 'queued': the commit is on the disk, 250 may be said. 'full': 452 4.3.1.
 * 'failed': the store could not write, 451 4.3.0. 'unavailable': no queue manager, or it went away before it
 * answered (the message may or may not be in the queue), 451 4.3.0.
 */
export type SubmitOutcome = 'queued' | 'full' | 'failed' | 'unavailable'

/** The queue as smtpd sees it: implemented by queue/client.ts over a Unix socket, by fakes in tests. */
export interface QueueSubmitter {
  /** Whether mail can be taken now; asked at MAIL. 'full' gives 452 4.3.1, 'unavailable' 451 4.3.0. */
  admission(): 'open' | 'full' | 'unavailable'
  /** Resolves when the message is on disk, or is known not to be taken. Never rejects. */
  submit(message: NewMessage): Promise<SubmitOutcome>
  /**
   * A recycled spool file to write a large body to, or why there is none. It belongs to the caller until it is
   * submitted or given back.
   */
  openSpool(): Promise<SpoolWriter | 'full' | 'unavailable'>
}

/** One large body on its way to the disk. */
export interface SpoolWriter {
  /** The file's name inside spool/, as it goes into `Body.file`. */
  readonly file: string
  /** Appends; the buffer may be reused once this resolves. Rejects with a system error (ENOSPC, EIO…). */
  write(bytes: Uint8Array): Promise<void>
  /** Cuts nothing, syncs what was written; after it the file may be named in a submission. */
  sync(): Promise<void>
  /** Reads what was written so far, for a second look at a suspicious message. */
  read(offset: number, into: Uint8Array): Promise<number>
  /** Gives the file back unused: refused message, lost client. */
  discard(): void
}
