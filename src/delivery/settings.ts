/**
 * What delivery is told. Each value has the Postfix parameter or the Zimbra attribute that it stands for, with
 * the same default; a test hands in shorter times.
 */

/** How long each part of a dialogue may take, milliseconds (RFC 5321 section 4.5.3.2; Postfix `lmtp_*_timeout`). */
export interface DeliveryTimeouts {
  /** lmtp_connect_timeout: to the end of the TCP handshake, for each address. */
  readonly connectMs: number
  /** The 220 (RFC 5321 section 4.5.3.2.1) and the reply to LHLO, EHLO or HELO: lmtp_lhlo_timeout. */
  readonly helloMs: number
  /** lmtp_starttls_timeout: the reply to STARTTLS, and the handshake. */
  readonly startTlsMs: number
  /** lmtp_mail_timeout. */
  readonly mailMs: number
  /** lmtp_rcpt_timeout, for each reply. */
  readonly rcptMs: number
  /** lmtp_data_init_timeout: the reply to DATA. */
  readonly dataInitMs: number
  /** lmtp_data_xfer_timeout: until the peer has taken one block of the body. */
  readonly dataXferMs: number
  /** lmtp_data_done_timeout: each reply after the final dot. */
  readonly dataDoneMs: number
  /** lmtp_rset_timeout. */
  readonly rsetMs: number
  /** lmtp_quit_timeout: how long the peer may keep a socket open after our QUIT. */
  readonly quitMs: number
}

/**
 * lmtp_tls_security_level. 'may' uses TLS where it is offered, verifies nothing, and falls back to plaintext;
 * 'encrypt' never falls back.
 */
export type TlsLevel = 'none' | 'may' | 'encrypt'

/** Every level of smtp_tls_security_level; those beyond `encrypt` also ask who the peer is (tls-policy.ts). */
export type FullTlsLevel = TlsLevel | 'verify' | 'secure' | 'fingerprint' | 'dane' | 'dane-only'

/** What one delivery agent is told: as in Postfix, lmtp and smtp have each parameter for itself. */
export interface AgentSettings {
  /** What we call ourselves in LHLO and EHLO (lmtp_lhlo_name, smtp_helo_name). */
  readonly helloName: string
  /** Deliveries at once to one destination: zimbraLmtpNumThreads, smtp_destination_concurrency_limit. */
  readonly concurrencyMax: number
  /** With how many a destination begins (initial_destination_concurrency). At concurrencyMax it stays there. */
  readonly concurrencyFirst: number
  /** Deliveries at once of this protocol, so that neither takes the other's place (default_process_limit). */
  readonly connectionsMax: number
  /** Recipients in one transaction (lmtp_destination_recipient_limit). */
  readonly recipientsMax: number
  /** How long an unused connection is kept (zimbraMtaLmtpConnectionCacheTimeLimit). */
  readonly idleMs: number
  /** How long one connection is used in all (lmtp_connection_reuse_time_limit). */
  readonly reuseMs: number
  /** Transactions over one connection (lmtp_connection_reuse_count_limit). */
  readonly usesMax: number
  /** Connection failures in a row after which a destination is rested (…_concurrency_failed_cohort_limit). */
  readonly failuresMax: number
  /** How long it is rested before one connection probes it: at most minimal_backoff_time, shorter is kinder. */
  readonly restMs: number
  /** How long no new delivery starts after a 421: the peer asked for less, not for nothing. */
  readonly pauseMs: number
  /** Between the ends and starts of deliveries to one destination, one at a time; 0 for none (…_destination_rate_delay). */
  readonly rateDelayMs: number
  /** The same over all destinations of the protocol (zimbraMtaSmtpTransportRateDelay). */
  readonly transportDelayMs: number
  /** How long running deliveries may go on after close(). */
  readonly closeMs: number
  /** Our own addresses that connections come from, by family; '' leaves it to the system (smtp_bind_address, smtp_bind_address6). */
  readonly bind: { readonly 4: string; readonly 6: string }
  /** Whether it is told that a peer offers STARTTLS where none is used (smtp_tls_note_starttls_offer). */
  readonly noteStartTls: boolean
  /** To a loopback address LMTP uses no TLS at 'may'. */
  readonly tls: FullTlsLevel
  /** Whether TLS is made with the usual protocols, ciphers and names, whatever its level: then there is nothing to look up. */
  readonly usualTls: boolean
  /** Words of the answer to EHLO that are not believed, upper case (lmtp_discard_lhlo_keywords, smtp_discard_ehlo_keywords). */
  readonly ignored: readonly string[]
  readonly timeouts: DeliveryTimeouts
}

export interface DeliverySettings {
  readonly lmtp: AgentSettings
  readonly smtp: AgentSettings
}

const SECOND = 1000

const LMTP: Omit<AgentSettings, 'helloName'> = {
  concurrencyMax: 20,
  concurrencyFirst: 20,
  connectionsMax: 500,
  recipientsMax: 50,
  idleMs: 4 * SECOND,
  reuseMs: 300 * SECOND,
  usesMax: 1000,
  failuresMax: 5,
  restMs: 60 * SECOND,
  pauseMs: SECOND,
  rateDelayMs: 0,
  transportDelayMs: 0,
  closeMs: 10 * SECOND,
  bind: { 4: '', 6: '' },
  noteStartTls: false,
  tls: 'may',
  usualTls: true,
  ignored: [],
  timeouts: {
    connectMs: 30 * SECOND,
    helloMs: 300 * SECOND,
    startTlsMs: 300 * SECOND,
    mailMs: 300 * SECOND,
    rcptMs: 300 * SECOND,
    dataInitMs: 120 * SECOND,
    dataXferMs: 180 * SECOND,
    dataDoneMs: 600 * SECOND,
    rsetMs: 20 * SECOND,
    quitMs: 10 * SECOND,
  },
}

/** A stranger's server has to earn its twenty connections, and is left alone for longer. */
const SMTP: Omit<AgentSettings, 'helloName'> = { ...LMTP, concurrencyFirst: 5, restMs: 300 * SECOND }

/** Postfix's defaults. */
export function defaultDelivery(helloName: string): DeliverySettings {
  return { lmtp: { ...LMTP, helloName }, smtp: { ...SMTP, helloName } }
}
