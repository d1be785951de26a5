/** Settings that delivery over LMTP and over SMTP have alike. */

import type { Setting } from './setting.ts'

const DAY_MS = 86_400_000

/** How long one answer of a server is waited for. */
export function peerTimeout(postfix: string, seconds: number, text: string) {
  return {
    postfix,
    zimbra: '',
    type: 'duration',
    default: `${seconds}s`,
    unit: 's',
    leastMs: 1000,
    mostMs: DAY_MS,
    takesHold: 'next attempt',
    text,
  } as const satisfies Setting
}

/** The address that connections to `servers` come from, over IPv4. */
export function bindAddress(postfix: string, servers: string) {
  return {
    postfix,
    zimbra: '',
    type: 'text',
    default: '',
    pattern: /^(?:[0-9]{1,3}(?:[.][0-9]{1,3}){3})?$/,
    means: 'an IPv4 address of this machine, or nothing',
    takesHold: 'next attempt',
    text: textOf(servers, 'IPv4'),
  } as const satisfies Setting
}

/** The same over IPv6. */
export function bindAddress6(postfix: string, servers: string) {
  return {
    postfix,
    zimbra: '',
    type: 'text',
    default: '',
    pattern: /^(?:[0-9A-Fa-f:.]{2,45})?$/,
    means: 'an IPv6 address of this machine, or nothing',
    takesHold: 'next attempt',
    text: textOf(servers, 'IPv6'),
  } as const satisfies Setting
}

function textOf(servers: string, family: 'IPv4' | 'IPv6'): string {
  return `The address of this machine that connections to ${servers} over ${family} come from. Empty: as the system has it. Where this machine does not have it, mail waits: it never comes from another.`
}
