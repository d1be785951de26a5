import { tlsDecision, withSts } from '#src/delivery/tls-policy.ts'
import { credentialsFor } from '#src/delivery/credentials.ts'
import { parseTable } from '#src/delivery/table.ts'
import { fakeDns } from '#test/support/fake-names.ts'
import { FakePeer, wellBehaved } from './fake-peer.ts'
import { body, deliverer, message, never, request, shown } from './requests.ts'
import { secretive, wrapped } from './tls-peer.ts'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import type { Secure } from '#src/delivery/approach.ts'
import type { Planner } from '#src/delivery/attempt.ts'
import type { AuthRules } from '#src/delivery/credentials.ts'
import type { StsPolicy } from '#src/delivery/mta-sts.ts'
import type { TlsRecorder } from '#src/delivery/tls-outcome.ts'
import type { TlsRules } from '#src/delivery/tls-policy.ts'
import type { QueuedMessage } from '#src/queue/ports.ts'
import type { Script } from './fake-peer.ts'
import type { TestPki } from './tls-peer.ts'

/** What nobody has set. */
export const TLS_RULES: TlsRules = {
  level: 'may',
  policies: { kind: 'table', entries: new Map() },
  verifyMatch: ['hostname'],
  secureMatch: ['nexthop', 'dot-nexthop'],
  fingerprints: [],
  ca: undefined,
  caProblem: '',
  insecureMx: 'dane',
  opportunistic: { protocols: '', grade: 'medium', exclude: [] },
  mandatory: { protocols: '', grade: 'medium', exclude: [] },
  wrapperMode: false,
  servername: '',
}

const AUTH: AuthRules = {
  enabled: false,
  passwords: { kind: 'table', entries: new Map() },
  securityOptions: ['noplaintext'],
  mechanismFilter: [],
}

/** A next hop as it is set up, and what the mail wants of it. */
export interface TlsCase {
  readonly rules?: Partial<TlsRules>
  readonly auth?: Partial<AuthRules>
  /** Text of smtp_tls_policy_maps. */
  readonly table?: string
  readonly cert?: string
  readonly inside?: string
  /** TLSA records of the MX host. */
  readonly tlsa?: string
  readonly mxSecure?: boolean
  readonly hostSecure?: boolean
  readonly plain?: boolean
  /** TLS with the first octet. */
  readonly wrapped?: boolean
  /** What the peer's TLS allows. */
  readonly peerTls?: SecureContextOptions
  readonly sts?: StsPolicy
  readonly message?: Partial<QueuedMessage>
  readonly body?: string
  /** What it offers outside of TLS, where it has none. */
  readonly hello?: string
}

/** What came of it. */
export interface TlsSeen {
  readonly outcome: string
  readonly heard: string[]
  /** The handshake as the peer saw it: version, cipher and name. */
  readonly handshake: string
  /** What is to be reported to the domain: whose policy, and what was wrong. */
  readonly reported: string[]
}

/** Delivers one message for far.example, whose MX mx.far.example is a peer with a certificate of that PKI. */
export function tlsWorld(pki: TestPki): (given: TlsCase) => Promise<TlsSeen> {
  return async (given) => {
    const heard: string[] = []
    const seen = { handshake: '' }
    await using peer = await FakePeer.listen(scriptOf(given, pki, heard, seen))
    const known = { host: 'mx.far.example', canonicalHost: 'mx.far.example', preference: 10 }
    const place = { address: '127.0.0.1', family: 4 as const, port: peer.port, hop: 0 }
    const planner: Planner = () =>
      Promise.resolve({
        kind: 'try',
        protocol: 'smtp',
        hops: [{ hop: HOP, mxSecure: given.mxSecure ?? true, via: 'mx' }],
        candidates: [{ ...known, ...place, secure: given.hostSecure ?? true }],
        sessionsMax: 2,
        alarm: '',
      })
    const reported: string[] = []
    const recordTls: TlsRecorder = (domain, { source, mxHost, failure }) => {
      reported.push(`${domain} ${source.type} ${mxHost} ${failure?.type ?? 'well'}`)
    }
    await using delivery = deliverer({}, { planner, secure: secureOf(given, pki, peer.port), recordTls })
    const destination = { protocol: 'smtp', host: 'far.example', port: 25, hops: [HOP] } as const
    const asked = request(0, ['a@far.example'], {
      destination,
      message: message(given.message),
      body: body(given.body),
    })
    const [outcome = ''] = shown(await delivery.deliver(asked, never))
    return {
      outcome: outcome
        .replaceAll(/mx\.far\.example\[127\.0\.0\.1\](?::\d+)?/g, 'PEER')
        .replaceAll(String(peer.port), 'PORT'),
      heard,
      handshake: seen.handshake,
      reported,
    }
  }
}

function scriptOf(given: TlsCase, pki: TestPki, heard: string[], seen: { handshake: string }): Script {
  if (given.plain === true) return wellBehaved([], given.hello ?? '250 peer\r\n', 'smtp')
  const pair = { key: pki.key, cert: given.cert ?? pki.leaf, ...given.peerTls }
  const onSecure = (socket: TLSSocket): void => {
    const name = 'servername' in socket ? String(socket.servername) : ''
    seen.handshake = `${socket.getProtocol() ?? ''} ${socket.getCipher().name} ${name}`
  }
  return given.wrapped === true
    ? wrapped(pair, heard, onSecure)
    : secretive(pair, heard, given.inside, onSecure)
}

function secureOf(given: TlsCase, pki: TestPki, port: number): Secure {
  const at = `_${port}._tcp.mx.far.example TLSA`
  const dns = fakeDns(given.tlsa === undefined ? {} : { [at]: given.tlsa }, ['far.example'])
  const policies = { kind: 'table' as const, entries: parseTable(given.table ?? '') }
  return async (target, _protocol, signal) => {
    const rules = { ...TLS_RULES, ca: pki.ca, policies, ...given.rules }
    const first = await tlsDecision(target, rules, dns, signal)
    const decision = given.sts === undefined ? first : withSts(first, target, given.sts)
    if (decision.kind === 'deferred') return decision
    const credentials = credentialsFor(target, { ...AUTH, ...given.auth })
    if (typeof credentials === 'string') return { kind: 'deferred', dsn: '4.3.0', reason: credentials }
    return { ...decision, credentials }
  }
}

const HOP = {
  text: 'far.example',
  host: 'far.example',
  port: 25,
  bracketed: false,
  role: 'domain',
  reason: '',
} as const
