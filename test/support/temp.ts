import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'

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

/**
 * `count` loopback ports that are free now, all different. For programs that cannot be told to listen on
 * port 0 and say what they got; they are held together, so that no two of one call are equal.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    ports.push(address.port)
  }
  for (const server of servers) {
    server.close()
    await once(server, 'close')
  }
  return ports
}
