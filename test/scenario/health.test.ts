import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Socket } from 'node:net'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { isRecord } from '#src/net/frames.ts'
import { ensureCertificate } from '#src/net/certificate.ts'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { openBrowser } from '#test/support/browser.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const TOKEN = 'a-token-of-these-tests-alone'

interface Box extends AsyncDisposable {
  readonly appliance: Appliance
  readonly url: string
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Sends one mail; the text of the last answer. */
  mail(recipient?: string): Promise<string>
}

async function box(options: { readonly token?: boolean; readonly lmtpPort?: number } = {}): Promise<Box> {
  const folder = tempFolder('health')
  const [healthPort = 0] = await freePorts(1)
  mkdirSync(folder.path, { recursive: true })
  writeFileSync(join(folder.path, 'token'), `${TOKEN}\n`)
  const health = options.token === true ? ['token = "token"'] : []
  const lmtp = options.lmtpPort === undefined ? {} : { lmtpPort: options.lmtpPort }
  const appliance = await Appliance.start({ folder: folder.path, healthPort, health, ...lmtp })
  const url = `http://127.0.0.1:${healthPort}`
  const own = options.token === true ? { authorization: `Bearer ${TOKEN}` } : undefined
  const get = (path: string, headers: Readonly<Record<string, string>> = own ?? {}): Promise<Response> =>
    fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(30_000) })
  await until('the health process answers, and has heard that all is ready', async () => {
    try {
      return (await get('/readyz')).ok
    } catch {
      return false
    }
  })
  return {
    appliance,
    url,
    get,
    mail: async (recipient = 'postmaster@example.test') => {
      using client = await SmtpClient.greeted(appliance.smtpPort)
      await client.command('EHLO client.test')
      await client.command('MAIL FROM:<sender@client.test>')
      const taken = await client.command(`RCPT TO:<${recipient}>`)
      if (taken.code !== 250) return String(taken.code)
      await client.command('DATA')
      const { code } = await client.command('Subject: a mail\r\n\r\nwith a text\r\n.')
      await client.quit()
      return String(code)
    },
    async [Symbol.asyncDispose]() {
      await appliance[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

interface Described {
  readonly paths: Readonly<
    Record<string, { get: { responses: Record<string, { content?: Record<string, { schema: object }> }> } }>
  >
}

/** Holds an answer against its description. */
async function described(t: ExecutionContext, path: string, response: Response): Promise<unknown> {
  const text = readFileSync(join(REPOSITORY, 'src/health/openapi.json'), 'utf8')
  const document: Described = JSON.parse(text)
  const [bare = ''] = path.split('?')
  const name = bare.startsWith('/api/v1/trace/') ? '/api/v1/trace/{id}' : bare
  const schema = document.paths[name]?.get.responses[String(response.status)]?.content?.['application/json']
  if (schema === undefined) return t.fail(`${path}: an answer ${response.status} is not described`)
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const check = ajv.compile({ ...JSON.parse(text), ...schema.schema })
  const value: unknown = await response.json()
  t.true(check(value), `${path}: ${JSON.stringify(check.errors)} ${JSON.stringify(value)}`)
  return value
}

test('every answer is as openapi.json describes it, for a box that has had mail', async (t) => {
  // Nobody answers there, so that mail waits.
  const [lmtpPort = 0] = await freePorts(1)
  await using it = await box({ token: true, lmtpPort })
  t.is(await it.mail(), '250')
  const id = String((await it.appliance.queue())[0]?.['queue_id'])
  for (const [path, status] of [
    ['/healthz', 200],
    ['/readyz', 200],
    ['/api/v1/status', 200],
    ['/api/v1/history', 200],
    ['/api/v1/processes', 200],
    ['/api/v1/alarms', 200],
    ['/api/v1/queues', 200],
    ['/api/v1/generations', 200],
    ['/api/v1/generations?limit=1', 200],
    ['/api/v1/generations?limit=501', 400],
    ['/api/v1/domains?limit=1', 200],
    ['/api/v1/domains?order=domain', 200],
    ['/api/v1/domains?order=size', 400],
    ['/api/v1/messages', 200],
    ['/api/v1/messages?limit=0', 400],
    ['/api/v1/messages?limit=few', 400],
    ['/api/v1/messages?cursor=', 400],
    ['/api/v1/messages?cursor=WzEsMl0', 400],
    ['/api/v1/messages?queue=corrupt', 200],
    ['/api/v1/messages?queue=all', 400],
    [`/api/v1/trace/${id}`, 200],
    ['/api/v1/trace/ZZZZZZZZZZ', 404],
    ['/api/v1/trace/..%2f..', 400],
    ['/api/v1/openapi.json', 200],
  ] as const) {
    const response = await it.get(path)
    t.is(response.status, status, path)
    await described(t, path, response)
  }
})

/** One page: ids, and the cursor of the next. */
function pageOf(value: unknown): { readonly ids: readonly string[]; readonly next: unknown } {
  if (!isRecord(value) || !Array.isArray(value['messages'])) throw new Error('no page')
  return { ids: value['messages'].map((one) => String(isRecord(one) && one['id'])), next: value['next'] }
}

test('whoever goes from page to page meets each message once, whatever leaves the queue and comes meanwhile', async (t) => {
  // Nobody answers there, so that mail waits.
  const [lmtpPort = 0] = await freePorts(1)
  await using it = await box({ token: true, lmtpPort })
  const ids = async (): Promise<readonly string[]> =>
    (await it.appliance.queue()).map((message) => String(message['queue_id']))
  for (let n = 0; n < 7; n += 1) t.is(await it.mail(), '250')
  await it.appliance.tool('queue', 'hold', 'ALL')
  const there = await ids()
  t.is(there.length, 7)
  const page = async (query: string) => {
    const path = `/api/v1/messages?${query}`
    return pageOf(await described(t, path, await it.get(path)))
  }
  const first = await page('limit=3&queue=hold')
  t.deepEqual(first.ids, there.slice(0, 3))
  // What the page ended with leaves the queue, and so does what would come next; another one comes.
  for (const id of [there[2], there[3]]) await it.appliance.tool('queue', 'delete', String(id))
  t.is(await it.mail(), '250')
  await it.appliance.tool('queue', 'hold', 'ALL')
  const second = await page(`limit=3&queue=hold&cursor=${String(first.next)}`)
  t.deepEqual(second.ids, there.slice(4))
  const third = await page(`limit=3&queue=hold&cursor=${String(second.next)}`)
  t.deepEqual(third.ids, (await ids()).slice(5))
  t.is(third.next, null)
  // A page that ends with the last message is the last one.
  t.is((await page('limit=6&queue=hold')).next, null)
  t.is((await it.get(`/api/v1/messages?queue=deferred&cursor=${String(first.next)}`)).status, 400)
})

/** Of two mails that were taken and one that was refused. */
const COUNTED = [
  'postern_smtpd_messages_total{service="smtp",outcome="accepted"} 2',
  'postern_smtpd_refusals_total{command="rcpt",class="5",reason="address"} 1',
  'postern_smtpd_transfer_seconds_count 2',
  'postern_queue_removed_total 2',
  'postern_mailbox_messages_total{outcome="stored"} 2',
  'postern_process_up{process="qmgr/1"} 1',
]

test('what was counted is what happened, and Prometheus and the parser of OpenMetrics read it', async (t) => {
  await using it = await box()
  t.is(await it.mail(), '250')
  t.is(await it.mail(), '250')
  t.is(await it.mail('nobody@example.test'), '550')
  // A process that is slow to answer is told of as it was before, so not all of it comes at once.
  const text = await until('it is counted by all of them', async () => {
    const told = await (await it.get('/metrics')).text()
    return COUNTED.every((line) => told.includes(`${line}\n`)) && told
  })
  t.is((await run('promtool', ['check', 'metrics'], { input: text })).code, 0)
  const open = await it.get('/metrics', { accept: 'application/openmetrics-text; version=1.0.0' })
  t.regex(open.headers.get('content-type') ?? '', /^application\/openmetrics-text; version=1\.0\.0/)
  const parser =
    'import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as f\nprint(len(list(f(sys.stdin.read()))))'
  const parsed = await run('/usr/bin/python3', ['-c', parser], { input: await open.text() })
  t.is(parsed.stderr, '')
  t.true(Number(parsed.stdout) > 40)
})

test('sums go on when a process is killed, and the box is not ready as long as the queue manager hangs', async (t) => {
  await using it = await box()
  t.is(await it.mail(), '250')
  const accepted = async (): Promise<string | undefined> =>
    /accepted"\} (\d+)/.exec(await (await it.get('/metrics')).text())?.[1]
  await until('it is counted', async () => (await accepted()) === '1')
  const [smtpd = 0] = it.appliance.pids('smtpd')
  process.kill(smtpd, 'SIGKILL')
  await it.appliance.serving()
  t.is(await it.mail(), '250')
  await until('both are counted', async () => (await accepted()) === '2')
  const [qmgr = 0] = it.appliance.pids('qmgr')
  process.kill(qmgr, 'SIGSTOP')
  const reasons = ['The queue manager does not answer master.']
  await until('it is not ready, for this reason alone', async () => {
    const response = await it.get('/readyz')
    return response.status === 503 && isDeepStrictEqual(await response.json(), { ready: false, reasons })
  })
  t.is((await it.get('/healthz')).status, 200)
  process.kill(qmgr, 'SIGCONT')
  await until('it is ready', async () => (await it.get('/readyz')).status === 200)
})

test('mail goes on while the health process hangs or is gone, and it is started anew', async (t) => {
  await using it = await box()
  const [health = 0] = it.appliance.pids('health')
  process.kill(health, 'SIGSTOP')
  t.is(await it.mail(), '250')
  process.kill(health, 'SIGKILL')
  t.is(await it.mail(), '250')
  await until('it answers again', async () => {
    try {
      return (await it.get('/healthz')).ok
    } catch {
      return false
    }
  })
  t.not(it.appliance.pids('health')[0], health)
})

test('many clients that say nothing, or nonsense, cost neither mail nor the next client', async (t) => {
  await using it = await box()
  const port = Number(new URL(it.url).port)
  const sockets: Socket[] = []
  for (let n = 0; n < 100; n += 1) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => socket.destroy()).resume()
    sockets.push(socket)
    await once(socket, 'connect')
    // Headers that never end; a line that never ends; no HTTP at all.
    socket.write(['GET / HTTP/1.1\r\nX: ', `GET /${'a'.repeat(20_000)}`, '\u0000\u0001\u0002'][n % 3] ?? '')
  }
  t.is(await it.mail(), '250')
  await until('they are cut off', () => sockets.every((socket) => socket.destroyed || socket.readableEnded))
  await until('the next client is served', async () => (await it.get('/readyz')).status === 200)
  // No more at once than it has places for. What it says of the box is its own affair: this very load may be too much.
  const ask = async (): Promise<void> => {
    for (let n = 0; n < 50; n += 1) t.true([200, 503].includes((await it.get('/readyz')).status))
    t.is((await it.get('/healthz')).status, 200)
  }
  const asking = Promise.all(Array.from({ length: 20 }, ask))
  t.is(await it.mail(), '250')
  await asking
})

test('without the token nothing is told, and who writes to whom is told to nobody where there is none', async (t) => {
  await using open = await box()
  for (const path of ['/api/v1/messages', '/api/v1/domains', '/api/v1/trace/ABCDEFGH'])
    await described(t, path, await open.get(path)).then(async () => t.is((await open.get(path)).status, 403))
  await using closed = await box({ token: true })
  for (const headers of [
    {},
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${TOKEN}x` },
    { authorization: `Basic ${TOKEN}` },
  ])
    for (const path of ['/metrics', '/readyz', '/api/v1/status', '/nothing'])
      t.is((await closed.get(path, headers)).status, 401, `${path} ${JSON.stringify(headers)}`)
  t.is((await closed.get('/', {})).status, 200)
})

test('what is wrong is told as the interface says, and no answer may be kept, framed or run by a browser', async (t) => {
  await using it = await box({ token: true })
  for (const [path, method, status] of [
    ['/nothing', 'GET', 404],
    ['/api/v1/nothing', 'GET', 404],
    ['/%zz', 'GET', 400],
    ['/healthz', 'POST', 405],
    ['/api/v1/messages', 'DELETE', 405],
    ['/api/v1/messages?limit=1&limit=2', 'GET', 200],
    ['/metrics', 'GET', 200],
    ['/', 'GET', 200],
  ] as const) {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const response = await fetch(`${it.url}${path}`, { method, headers, signal: AbortSignal.timeout(30_000) })
    t.is(response.status, status, path)
    if (status >= 400) t.regex(await response.text(), /^\{"error":"[^"]+"\}$/, path)
    if (status === 405) t.is(response.headers.get('allow'), 'GET, HEAD')
    t.is(response.headers.get('x-content-type-options'), 'nosniff', path)
    t.regex(
      response.headers.get('content-security-policy') ?? '',
      /default-src 'none';.*frame-ancestors 'none'/,
      path,
    )
    t.is(response.headers.get('cache-control'), path === '/' ? 'no-cache' : 'no-store', path)
  }
})

/** The answer and its code, by curl: nobody has signed this certificate. */
async function curl(url: string, ...more: readonly string[]): Promise<string> {
  return (await run('curl', ['-sk', '-m', '20', '-w', ' %{http_code}', ...more, url])).stdout
}

/** Its fingerprint. */
async function peerCertificate(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

test('over TLS the token opens it, plain HTTP does not, and both token and certificate are renewed by a reload', async (t) => {
  const folder = tempFolder('health-tls')
  const [healthPort = 0] = await freePorts(1)
  mkdirSync(folder.path, { recursive: true })
  writeFileSync(join(folder.path, 'token'), `${TOKEN}\n`)
  const health = ['token = "token"', 'tls = true']
  await using appliance = await Appliance.start({ folder: folder.path, healthPort, health })
  const url = `https://127.0.0.1:${healthPort}/healthz`
  const bearer = ['-H', `Authorization: Bearer ${TOKEN}`]
  await until('it answers', async () => (await curl(url, ...bearer)) === '{"status":"alive"} 200')
  t.regex(await curl(url), / 401$/)
  t.regex(await curl(url.replace('https', 'http'), ...bearer), /000$/)
  // Another token, another certificate and key: both count from the next reload on, without a start anew.
  const place = join(appliance.data, 'tls')
  const pair = { certificateFile: join(place, 'certificate.pem'), keyFile: join(place, 'key.pem') }
  const before = await peerCertificate(healthPort)
  rmSync(pair.certificateFile)
  rmSync(pair.keyFile)
  await ensureCertificate(pair, 'other.example.test', Date.now())
  writeFileSync(join(folder.path, 'token'), `${TOKEN}-renewed\n`)
  t.is((await appliance.tool('reload')).code, 0)
  const renewed = ['-H', `Authorization: Bearer ${TOKEN}-renewed`]
  await until('the new token opens it', async () => (await curl(url, ...renewed)).endsWith(' 200'))
  t.regex(await curl(url, ...bearer), / 401$/)
  await until('the new certificate is shown', async () => (await peerCertificate(healthPort)) !== before)
  t.is(appliance.running, true)
  folder[Symbol.dispose]()
})

test('the page shows the box in a browser, asks nobody else, and keeps to its policy', async (t) => {
  await using it = await box()
  t.is(await it.mail(), '250')
  await using page = await openBrowser()
  await page.open(`${it.url}/`)
  await until(
    'it shows something',
    async () => (await page.evaluate('document.body.dataset.shown')) === 'yes',
  )
  t.is(await page.evaluate('document.querySelectorAll("canvas").length'), 3)
  t.is(await page.evaluate('document.getElementById("ready").textContent'), 'takes mail')
  t.true(String(await page.evaluate('document.getElementById("processes").textContent')).includes('qmgr/1'))
  t.deepEqual(page.complaints, [])
  t.deepEqual(
    page.asked.filter((url) => /^(?:https?|wss?):/.test(url) && !url.startsWith(it.url)),
    [],
  )
  const picture = await page.picture()
  t.true(picture.length > 10_000)
  const file = process.env['POSTERN_PICTURES']
  if (file !== undefined) {
    mkdirSync(dirname(join(file, 'x')), { recursive: true })
    writeFileSync(join(file, 'status-page.png'), picture)
  }
  // The policy holds: what did not come from us is not run.
  await page.evaluate(
    'document.body.append(Object.assign(document.createElement("script"), { textContent: "window.bad = 1" }))',
  )
  t.is(await page.evaluate('typeof window.bad'), 'undefined')
  t.true(page.complaints.some((text) => text.includes('Content Security Policy')))
})
