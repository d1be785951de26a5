import type { Setting } from './setting.ts'

const DAY_MS = 86_400_000

/** An address, with or without a domain, as Postfix's `*_notice_recipient` have it; never a command of SMTP. */
const ADDRESS = /^[^\s<>"\\@]{1,64}(?:@[^\s<>"\\@]{1,255})?$/u

function noticeRecipient(postfix: string, zimbra: string, text: string) {
  return {
    postfix,
    zimbra,
    type: 'text',
    default: 'postmaster',
    pattern: ADDRESS,
    means: 'an address, such as postmaster or postmaster@example.com',
    takesHold: 'next message',
    text,
  } as const satisfies Setting
}

/** Who is told what about mail that is late, lost or refused. */
export const NOTICE_SETTINGS = {
  delayWarningTimeMs: {
    postfix: 'delay_warning_time',
    zimbra: 'zimbraMtaDelayWarningTime',
    type: 'duration',
    default: '0h',
    unit: 'h',
    leastMs: 0,
    mostMs: 365 * DAY_MS,
    takesHold: 'next attempt',
    text: 'After how long the sender is told, once, that a message is still tried. A bare number is in hours. 0 means never.',
  },
  notifyClasses: {
    postfix: 'notify_classes',
    zimbra: 'zimbraMtaNotifyClasses',
    type: 'list',
    items: 'classes',
    default: ['resource', 'software'],
    takesHold: 'next message',
    text: 'What postmaster is told: `bounce` (a copy of the header of each bounced message, and the dialogue where a client was refused; includes `2bounce`), `2bounce` (bounces that cannot be delivered), `delay` (the header of delayed mail), and the dialogue of SMTP sessions in which a client was refused by `policy`, broke the `protocol`, or met lack of `resource`s, unavailable `data` or faulty `software` here.',
  },
  bounceNoticeRecipient: noticeRecipient(
    'bounce_notice_recipient',
    'zimbraMtaBounceNoticeRecipient',
    'Who gets the copies of bounces (class `bounce`). Without a domain it is an address of the default domain.',
  ),
  doubleBounceNoticeRecipient: noticeRecipient(
    '2bounce_notice_recipient',
    '',
    'Who gets mail from the null sender that cannot be delivered (class `2bounce`).',
  ),
  delayNoticeRecipient: noticeRecipient(
    'delay_notice_recipient',
    '',
    'Who is told of delayed mail (class `delay`).',
  ),
  errorNoticeRecipient: noticeRecipient(
    'error_notice_recipient',
    '',
    'Who gets the dialogues of sessions with errors (classes `policy`, `protocol`, `resource`, `software`, `data`).',
  ),
} as const satisfies Readonly<Record<string, Setting>>
