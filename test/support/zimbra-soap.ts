import { once } from 'node:events'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureCertificate } from '#src/net/certificate.ts'

/** How it answers an AuthRequest. */
export type SoapAnswer =
  | 'token'
  /** A fault with this code, as `account.AUTH_FAILED`. */
  | { readonly fault: string }
  /** Something else altogether. */
  | { readonly raw: string; readonly status?: number }
  /** Nothing, ever. */
  | 'silence'

/** What was asked, as it came. */
export interface SoapRequest {
  readonly path: string
  readonly contentType: string
  readonly body: string
  readonly account: string
  readonly password: string
}

/** A mailbox server of Zimbra's, as much of it as an AuthRequest sees: its certificate is its own authority. */
export interface ZimbraSoap extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly caFile: string
  readonly requests: readonly SoapRequest[]
}

export async function zimbraSoap(
  folder: string,
  answer: (request: SoapRequest) => SoapAnswer,
): Promise<ZimbraSoap> {
  const files = { certificateFile: join(folder, 'soap.pem'), keyFile: join(folder, 'soap-key.pem') }
  await ensureCertificate(files, 'localhost', Date.now())
  const requests: SoapRequest[] = []
  const server = createServer(
    { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) },
    (request, response) => {
      void readRequest(request).then((read) => {
        requests.push(read)
        return reply(response, answer(read), read)
      })
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    url: `https://localhost:${port}/service/admin/soap/`,
    caFile: files.certificateFile,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function readRequest(request: IncomingMessage): Promise<SoapRequest> {
  let body = ''
  request.setEncoding('utf8')
  for await (const piece of request) body += String(piece)
  return {
    path: request.url ?? '',
    contentType: request.headers['content-type'] ?? '',
    body,
    account: unescaped(/<account by="name">([^<]*)<\/account>/.exec(body)?.[1] ?? ''),
    password: unescaped(/<password>([^<]*)<\/password>/.exec(body)?.[1] ?? ''),
  }
}

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|(\w+));/g, (all, code: string | undefined, name: string | undefined) =>
    code === undefined ? (ENTITIES.get(name ?? '') ?? all) : String.fromCodePoint(Number(code)),
  )
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['amp', '&'],
])

function reply(response: ServerResponse, answer: SoapAnswer, request: SoapRequest): void {
  if (answer === 'silence') return
  if (answer === 'token') send(response, 200, envelope(TOKEN))
  else if ('fault' in answer) send(response, 500, envelope(fault(answer.fault, request.account)))
  else send(response, answer.status ?? 200, answer.raw)
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/xml;charset=utf-8' }).end(text)
}

function envelope(body: string): string {
  return `<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Header><context xmlns="urn:zimbra"><change token="4711"/></context></soap:Header><soap:Body>${body}</soap:Body></soap:Envelope>`
}

const TOKEN =
  '<AuthResponse xmlns="urn:zimbraAccount"><authToken>0_8f3c1d_69643d33363a</authToken><lifetime>172799999</lifetime><skin>harmony</skin></AuthResponse>'

/** As com.zimbra.common.soap.Soap12Protocol writes one: two elements are called Code. */
function fault(code: string, account: string): string {
  return `<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason><soap:Text>authentication failed for [${account.replaceAll(/[<&]/g, '?')}]</soap:Text></soap:Reason><soap:Detail><Error xmlns="urn:zimbra"><Code>${code}</Code><Trace>qtp1-2:https://localhost:7073:1:f7</Trace></Error></soap:Detail></soap:Fault>`
}
