import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import CDP from 'chrome-remote-interface'
import { tempFolder } from '#test/support/temp.ts'

/** One page in Debian's Chromium, without a window. */
export interface Page extends AsyncDisposable {
  /** Goes to an address; resolves when the page is loaded. */
  open(url: string): Promise<void>
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>
  /** PNG. */
  picture(): Promise<Buffer>
  /** What its console said, errors of loading and of its policy included. */
  readonly complaints: readonly string[]
  /** Every address that it asked for. */
  readonly asked: readonly string[]
}

export async function openBrowser(): Promise<Page> {
  const folder = tempFolder('chromium')
  // Tests run as root in places where a user namespace of its own is not to be had.
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
  ]
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
  const child = spawn(
    'chromium',
    [
      ...flags,
      ...quiet,
      '--remote-debugging-port=0',
      `--user-data-dir=${join(folder.path, 'data')}`,
      '--window-size=1280,1400',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder.path } },
  )
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    folder[Symbol.dispose]()
  }
  try {
    return await drive(await portOf(child.stderr.setEncoding('utf8')), close)
  } catch (error) {
    await close()
    throw error
  }
}

/** Chromium says where it listens for those who drive it. */
async function portOf(output: NodeJS.ReadableStream): Promise<number> {
  let text = ''
  for await (const chunk of output) {
    text += String(chunk)
    const port = /DevTools listening on ws:\/\/[^:]+:(\d+)\//.exec(text)?.[1]
    if (port === undefined) continue
    output.resume()
    return Number(port)
  }
  throw new Error(`chromium does not start: ${text}`)
}

async function drive(port: number, close: () => Promise<void>): Promise<Page> {
  const client = await CDP({ host: '127.0.0.1', port })
  const complaints: string[] = []
  const asked: string[] = []
  client.Log.entryAdded(({ entry }) => complaints.push(`${entry.level}: ${entry.text}`))
  client.Runtime.consoleAPICalled(({ type, args }) =>
    complaints.push(`${type}: ${args.map(({ value }) => value).join(' ')}`),
  )
  client.Runtime.exceptionThrown(({ exceptionDetails }) => complaints.push(exceptionDetails.text))
  client.Network.requestWillBeSent(({ request }) => asked.push(request.url))
  await Promise.all([
    client.Page.enable(),
    client.Log.enable(),
    client.Runtime.enable(),
    client.Network.enable({}),
  ])
  return {
    complaints,
    asked,
    async open(url) {
      const loaded = Promise.withResolvers<undefined>()
      client.Page.on('loadEventFired', () => loaded.resolve(undefined))
      await client.Page.navigate({ url })
      await loaded.promise
    },
    async evaluate(expression) {
      const { result } = await client.Runtime.evaluate({
        expression,
        awaitPromise: true,
        returnByValue: true,
      })
      return result.value
    },
    async picture() {
      const { data } = await client.Page.captureScreenshot({ format: 'png', captureBeyondViewport: true })
      return Buffer.from(data, 'base64')
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await close()
    },
  }
}
