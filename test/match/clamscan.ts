import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { SignatureSource } from '#src/match/types.ts'
import { tempFolder } from '#test/support/temp.ts'
import { LIMITS, scanWith } from './support.ts'

/** ClamAV takes for mail what begins like mail. */
export const HEADER = [
  'Received: from a.example by b.example; Sun, 22 Nov 2026 10:00:00 +0000',
  'From: a@example.org',
  'To: b@example.org',
  'Subject: parity',
  'MIME-Version: 1.0',
  '',
].join('\r\n')

export interface Mail {
  readonly title: string
  /** Each octet a character (latin-1); lines with CRLF. */
  readonly text: string
}

/** Signatures found in a mail by us and by ClamAV, sorted. */
export interface Findings {
  readonly ours: readonly string[]
  readonly theirs: readonly string[]
}

/** Whether clamscan can be run here; its own signatures are not needed. */
export function hasClamscan(): boolean {
  return spawnSync('clamscan', ['--version']).status === 0
}

/** The same mails under the same signatures through our scanner and through ClamAV's, by title. */
export function compare(sources: readonly SignatureSource[], mails: readonly Mail[]): Map<string, Findings> {
  const theirs = byClamscan(sources, mails)
  const out = new Map<string, Findings>()
  using signatures = SignatureSet.build(sources)
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  for (const { title, text } of mails) {
    const { report } = scanWith(scanner, Buffer.from(text, 'latin1'), { framing: 'bdat' })
    const ours = new Set(report.hits.map((hit) => hit.signature))
    out.set(title, { ours: [...ours].toSorted(), theirs: [...(theirs.get(title) ?? [])].toSorted() })
  }
  return out
}

/** One run for all mails: clamscan starts slowly. */
function byClamscan(sources: readonly SignatureSource[], mails: readonly Mail[]): Map<string, Set<string>> {
  using folder = tempFolder('clamscan')
  const [database, mailbox] = [join(folder.path, 'database'), join(folder.path, 'mails')]
  mkdirSync(database)
  mkdirSync(mailbox)
  for (const { name, text } of sources) writeFileSync(join(database, name), text)
  mails.forEach(({ text }, i) => writeFileSync(join(mailbox, String(i)), Buffer.from(text, 'latin1')))
  const run = spawnSync(
    'clamscan',
    ['-d', database, '--no-summary', '--allmatch', '--infected', '-r', mailbox],
    {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    },
  )
  // 1: something was found.
  if (run.status !== 1) throw new Error(`clamscan ended with ${run.status}: ${run.stdout}${run.stderr}`)
  const out = new Map<string, Set<string>>()
  for (const [, number = '', signature = ''] of run.stdout.matchAll(/^.*\/(\d+): (\S+) FOUND$/gm)) {
    const title = mails[Number(number)]?.title ?? ''
    out.set(title, (out.get(title) ?? new Set()).add(signature.replace(/\.UNOFFICIAL$/, '')))
  }
  return out
}
