import type { ImageCommand } from '#src/admin/image-commands.ts'
import { openControl } from '#src/net/control-server.ts'
import type { ControlAnswer } from '#src/net/control-server.ts'
import type { UnixServer } from '#src/net/unix-server.ts'

type Handler = (words: readonly string[]) => ControlAnswer | Promise<ControlAnswer>

/** The helper of the image as src/admin/image-commands.ts describes it, with what it was asked to change. */
export class FakeHelper {
  readonly asked: string[] = []
  readonly handlers: Partial<Record<ImageCommand, Handler>> = {
    network: () => ({ ok: true, lines: ['eth0: DHCP, 192.0.2.5/24', 'time: ntp.example.com'] }),
    slots: () => ({
      ok: true,
      lines: ['a: 1.0.0, runs', 'b: 1.1.0, left: the queue could not be opened'],
    }),
    progress: () => ({ ok: true, running: false, text: '' }),
  }
  readonly #server: UnixServer

  private constructor(server: UnixServer) {
    this.#server = server
  }

  static async start(socket: string): Promise<FakeHelper> {
    let helper: FakeHelper | undefined
    const server = await openControl(socket, async (command, words) => await answer(helper, command, words))
    helper = new FakeHelper(server)
    return helper
  }

  stop(): void {
    this.#server.stopListening()
  }
}

async function answer(
  helper: FakeHelper | undefined,
  command: string,
  words: readonly string[],
): Promise<ControlAnswer> {
  if (helper === undefined) return { ok: false, error: 'not yet' }
  if (!['network', 'slots', 'progress'].includes(command)) helper.asked.push([command, ...words].join(' '))
  const handler = new Map(Object.entries(helper.handlers)).get(command)
  return handler === undefined ? { ok: true, text: `${command} is done.` } : await handler(words)
}
