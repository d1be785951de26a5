import { run } from '#test/support/run.ts'

/** A multipart/report as Python's email package reads it, which shares nothing with what wrote it. */
export interface PythonReport {
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly autoSubmitted: string
  readonly defects: readonly string[]
  readonly type: string
  readonly reportType: string
  readonly parts: readonly string[]
  /** Groups of message/delivery-status, names in lower case. */
  readonly status: readonly Readonly<Record<string, string>>[]
  /** The header of what is attached. */
  readonly original: Readonly<Record<string, string>>
}

const SCRIPT = `
import sys, json, email
from email import policy
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=policy.SMTPUTF8)
parts = list(message.iter_parts())
status = parts[1].get_payload()
if isinstance(status, str):
    status = [email.message_from_string(group, policy=policy.SMTPUTF8) for group in status.strip().split('\\r\\n\\r\\n')]
last = parts[2]
inner = last.get_payload()
original = inner[0] if isinstance(inner, list) else email.message_from_string(inner, policy=policy.SMTPUTF8)
defects = [str(d) for part in message.walk() for d in part.defects]
print(json.dumps({
    'from': message['from'], 'to': message['to'], 'subject': message['subject'],
    'autoSubmitted': message['auto-submitted'], 'defects': defects,
    'type': message.get_content_type(), 'reportType': message.get_param('report-type'),
    'parts': [part.get_content_type() for part in parts],
    'status': [{name.lower(): str(value) for name, value in group.items()} for group in status],
    'original': {name.lower(): str(value) for name, value in original.items()},
}))
`

/** Reads a report with Debian's python3; throws where that finds none. */
export async function readWithPython(bytes: Uint8Array): Promise<PythonReport> {
  const ran = await run('python3', ['-c', SCRIPT], { input: Buffer.from(bytes).toString('utf8') })
  if (ran.code !== 0) throw new Error(`python3: ${ran.stderr}`)
  const report: PythonReport = JSON.parse(ran.stdout)
  return report
}
