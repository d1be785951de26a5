import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '#src/base/fault.ts'

/** A folder that is gone when its scope ends. */
export function tempFolder(purpose: string): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), `postern-${purpose}-`))
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** Ports that services have by custom lie below. */
const FIRST_PORT = 10_240
/** So many ports are tried for each that is wanted. */
const TRIES_MAX = 1000

/**
 * `count` loopback ports that are free now, all different, for programs that cannot be told to listen on port 0 and say
 * what they got. No other test is given them as long as this one runs, and they lie outside of the range that the
 * kernel gives to whoever listens on port 0 or connects: a second may pass until the program listens.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries >= count * TRIES_MAX) throw new Error('no port is free')
    const port = randomInt(FIRST_PORT, lastPort())
    if ((await reserved(port)) && (await isFree(port))) ports.push(port)
  }
  return ports
}

function lastPort(): number {
  const [low = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number)
  return low > 2 * FIRST_PORT ? low : 65_535
}

/** Holds a name that only one process may hold; the kernel frees it when this one ends, however it ends. */
async function reserved(port: number): Promise<boolean> {
  const server = createServer().unref()
  return await listens(server, { path: `\0postern-test-port-${port}` })
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  if (!(await listens(server, { host: '127.0.0.1', port }))) return false
  server.close()
  await once(server, 'close')
  return true
}

async function listens(
  server: ReturnType<typeof createServer>,
  where: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<boolean> {
  server.listen(where)
  try {
    await once(server, 'listening')
    return true
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return false
    throw error
  }
}
