import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'

/**
 * Only what we serve ourselves is loaded, and nothing is run that stands in the page; uPlot sets styles through the
 * object model, which no policy forbids.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const WEB = join(import.meta.dirname, 'web')
const UPLOT = createRequire(import.meta.url)
  .resolve('uplot')
  .replace(/uPlot\.[a-z.]+$/, '')

const HTML = 'text/html; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'

/** What the page is made of. It holds nothing by itself, so nobody needs a token for it. */
export const PAGE_FILES: ReadonlyMap<string, { readonly type: string; readonly file: string }> = new Map([
  ['/', { type: HTML, file: join(WEB, 'page.html') }],
  ['/page/page.js', { type: SCRIPT, file: join(WEB, 'page.js') }],
  ['/page/page.css', { type: STYLE, file: join(WEB, 'page.css') }],
  ['/page/uplot.js', { type: SCRIPT, file: join(UPLOT, 'uPlot.iife.min.js') }],
  ['/page/uplot.css', { type: STYLE, file: join(UPLOT, 'uPlot.min.css') }],
])

/** The status page for a browser: five files, read once. */
export function addPage(app: FastifyInstance): void {
  for (const [path, { type, file }] of PAGE_FILES) {
    const bytes = readFileSync(file)
    app.get(path, (_request, reply) =>
      reply
        .type(type)
        .header('content-security-policy', POLICY)
        .header('cache-control', 'no-cache')
        .send(bytes),
    )
  }
}
