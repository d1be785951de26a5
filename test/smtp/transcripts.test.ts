import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { newCertificate } from './support/certificate.ts'
import { serve } from './support/serve.ts'
import { Talk } from './support/talk.ts'
import { parseTranscript } from './support/transcript.ts'

const CERTIFICATE = await newCertificate()
const FOLDER = join(import.meta.dirname, '..', 'transcripts')

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  test(`the dialogue ${file} goes as it is written`, async (t) => {
    const lines = parseTranscript(readFileSync(join(FOLDER, file), 'utf8'))
    const settings = Object.fromEntries(
      lines.flatMap((line) => (line.kind === 'set' ? [[line.name, line.value]] : [])),
    )
    const service = lines.find((line) => line.kind === 'on')?.service
    await using serving = await serve(settings, service === undefined ? undefined : CERTIFICATE, service)
    await using talk = await Talk.open(serving.port)
    if (service === 'submissions') await talk.startTls()
    const first = lines.find((line) => line.kind !== 'set' && line.kind !== 'on')
    if (first?.kind === 'client') await talk.reply()
    let reply = ''
    for (const line of lines) {
      switch (line.kind) {
        case 'set':
        case 'on':
          break
        case 'tls':
          await talk.startTls()
          break
        case 'client':
          talk.write(line.octets)
          break
        case 'server':
          reply = await talk.reply()
          t.true(reply.startsWith(line.text), `${file}: "${reply}" does not begin with "${line.text}"`)
          break
        case 'contains':
          t.true(
            reply.split('\n').some((one) => one.endsWith(line.text)),
            `${file}: no line of "${reply}" ends with "${line.text}"`,
          )
          break
        case 'closed':
          t.is(await talk.rest(), '', file)
          break
        case 'queued':
          t.is(serving.queue.messages.length, line.count, file)
          break
      }
    }
  })
}
