import { createReadStream, statSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'

/** A web server of a vendor: files by their names, for a machine in QEMU's network, whose host is 10.0.2.2. */
export class Shelf implements AsyncDisposable {
  readonly #server: Server
  readonly #files = new Map<string, string>()

  private constructor() {
    this.#server = createServer((asked, answer) => {
      const file = this.#files.get(asked.url ?? '')
      if (file === undefined) {
        answer.writeHead(404).end()
        return
      }
      answer.writeHead(200, { 'content-length': statSync(file).size })
      createReadStream(file).pipe(answer)
    })
  }

  static async open(): Promise<Shelf> {
    const shelf = new Shelf()
    shelf.#server.listen(0, '127.0.0.1')
    await once(shelf.#server, 'listening')
    return shelf
  }

  /** The address of a file, as the machine has to name it. */
  put(name: string, file: string): string {
    this.#files.set(`/${name}`, file)
    const address = this.#server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    return `http://10.0.2.2:${port}/${name}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
