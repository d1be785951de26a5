import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import test from 'ava'
import { serve } from './support/serve.ts'
import { Talk } from './support/talk.ts'

const MEBIBYTE = 1_048_576
const TO_DATA = 'MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n'
const LINE = Buffer.from(`${'0123456789'.repeat(7)}\r\n`)
const BLOCK = Buffer.concat(Array.from({ length: 900 }, () => LINE))

function residentBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

test('a message of 50 MB is stored octet by octet, in constant memory', async (t) => {
  t.timeout(60_000)
  await using serving = await serve({ messageBytesMax: 100 * MEBIBYTE })
  serving.queue.lengthOnly = true
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  await talk.flushed(Buffer.from('Subject: large\r\n\r\n'))
  let crc = crc32(Buffer.from('Subject: large\r\n\r\n'))
  const before = residentBytes()
  let peak = before
  const blocks = Math.ceil((50 * MEBIBYTE) / BLOCK.length)
  for (let n = 0; n < blocks; n += 1) {
    await talk.flushed(BLOCK)
    crc = crc32(BLOCK, crc)
    if (n % 50 === 0) peak = Math.max(peak, residentBytes())
  }
  t.regex(await talk.ask('.'), /^250 2\.0\.0 Ok: queued as/)
  const [message] = serving.queue.messages
  const [spool] = serving.queue.spools
  t.deepEqual(message?.body, { kind: 'spool', file: 'f0', length: blocks * BLOCK.length + 18 })
  t.is(message?.bodyCrc32, crc)
  t.is(spool?.crc, crc)
  t.is(spool?.state, 'synced')
  t.true(peak - before < 64 * MEBIBYTE, `${(peak - before) / MEBIBYTE} MiB more`)
})

test('while the disk stands still the client is not read from, and goes on when it works', async (t) => {
  await using serving = await serve({ messageBytesMax: 100 * MEBIBYTE })
  const gate = Promise.withResolvers<void>()
  serving.queue.gate = gate.promise
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  let written = 0
  while (!talk.socket.writableNeedDrain || talk.socket.writableLength < 4 * MEBIBYTE) {
    talk.socket.write(BLOCK)
    written += BLOCK.length
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  t.is(serving.queue.spools[0]?.length, 0)
  gate.resolve()
  t.regex(await talk.ask('.'), /^250/)
  t.is(serving.queue.body(0).length, written)
})

for (const [octets, kind] of [
  [32_768, 'inline'],
  [32_770, 'spool'],
] as const) {
  test(`a message of ${octets} octets is handed over as ${kind}`, async (t) => {
    await using serving = await serve()
    await using talk = await Talk.greeted(serving.port)
    talk.write(TO_DATA)
    await talk.replies(3)
    talk.write(`${'x'.repeat(998)}\r\n`.repeat(32))
    talk.write(`${'y'.repeat(octets - 32_002)}\r\n`)
    t.regex(await talk.ask('.'), /^250/)
    t.is(serving.queue.messages[0]?.body.kind, kind)
    t.is(serving.queue.body(0).length, octets)
    t.is(serving.queue.messages[0]?.bodyCrc32, crc32(serving.queue.body(0)))
  })
}

test('a large message that is rechecked is read back whole, refused, and its file given back', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  talk.write('Subject: RECHECK\r\n\r\n')
  for (let n = 0; n < 20; n += 1) await talk.flushed(BLOCK)
  t.regex(await talk.ask('.'), /^550 5\.7\.1/)
  t.is(serving.queue.spools[0]?.state, 'discarded')
  t.is(serving.queue.messages.length, 0)
})

for (const [code, reply] of [
  ['ENOSPC', '452 4.3.1'],
  ['EIO', '451 4.3.0'],
] as const) {
  test(`a spool file that fails with ${code} is answered ${reply}, when the message has ended`, async (t) => {
    await using serving = await serve()
    await using talk = await Talk.greeted(serving.port)
    talk.write(TO_DATA)
    await talk.replies(3)
    await talk.flushed(BLOCK)
    while (serving.queue.spools.length === 0) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    const [spool] = serving.queue.spools
    if (spool !== undefined) spool.fail = { code }
    for (let n = 0; n < 20; n += 1) await talk.flushed(BLOCK)
    const answer = await talk.ask('.')
    t.true(answer.startsWith(reply), answer)
    t.is(spool?.state, 'discarded')
    t.regex(await talk.ask('NOOP'), /^250/)
  })
}

for (const [outcome, reply] of [
  ['full', '452 4.3.1'],
  ['unavailable', '451 4.3.0'],
] as const) {
  test(`no spool file to be had (${outcome}) is answered ${reply}`, async (t) => {
    await using serving = await serve()
    serving.queue.spoolOutcome = outcome
    await using talk = await Talk.greeted(serving.port)
    talk.write(TO_DATA)
    await talk.replies(3)
    for (let n = 0; n < 20; n += 1) await talk.flushed(BLOCK)
    const answer = await talk.ask('.')
    t.true(answer.startsWith(reply), answer)
  })
}

test('a large message that is cut short gives its file back', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  for (let n = 0; n < 20; n += 1) await talk.flushed(BLOCK)
  talk.end()
  await talk.rest()
  while (serving.queue.spools[0]?.state !== 'discarded') {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  t.is(serving.queue.messages.length, 0)
})

test('a message that grows too large gives its file back before it has ended', async (t) => {
  await using serving = await serve({ messageBytesMax: 8 * BLOCK.length })
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  for (let n = 0; n < 10; n += 1) await talk.flushed(BLOCK)
  while (serving.queue.spools[0]?.state !== 'discarded') {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  t.is(await talk.ask('.'), '552 5.3.4 Error: message file too big')
  t.regex(await talk.ask('NOOP'), /^250/)
})

test('a hundred thousand chunks of one octet cost no memory', async (t) => {
  t.timeout(60_000)
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  await talk.askAll('MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.test>')
  const group = Buffer.from('BDAT 1\r\nx'.repeat(1000))
  const before = residentBytes()
  for (let n = 0; n < 100; n += 1) {
    await talk.flushed(group)
    for (const reply of await talk.replies(1000)) if (reply !== '250 2.0.0 Ok: 1 bytes') t.fail(reply)
  }
  t.regex(await talk.ask('BDAT 0 LAST'), /^250 2\.0\.0 Ok: queued as/)
  t.is(serving.queue.messages[0]?.bodyCrc32, crc32(Buffer.from('x'.repeat(100_000))))
  t.true(residentBytes() - before < 64 * MEBIBYTE)
})

test('a line without end is answered once, thrown away, and cut', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  const block = Buffer.alloc(65_536, 'x')
  for (let n = 0; n < 40; n += 1) await talk.flushed(block)
  t.deepEqual((await talk.rest()).split('\r\n'), [
    '500 5.5.2 Error: command too long',
    '500 5.5.2 Error: command too long',
    '',
  ])
})

test('a thousand recipients are taken and the next is not', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  await talk.ask('MAIL FROM:<a@client.example>')
  talk.write(Array.from({ length: 1001 }, (_, n) => `RCPT TO:<user${n}@example.test>\r\n`).join(''))
  const replies = await talk.replies(1001)
  t.deepEqual(new Set(replies.slice(0, 1000)), new Set(['250 2.1.5 Ok']))
  t.is(replies[1000], '452 4.5.3 Error: too many recipients')
  await talk.ask('DATA')
  t.regex(await talk.ask('.'), /^250/)
  t.is(serving.queue.messages[0]?.recipients.length, 1000)
  t.notRegex(serving.queue.messages[0]?.prefix ?? '', /for </)
})
