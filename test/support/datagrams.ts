import { spawn } from 'node:child_process'
import { until } from '#test/support/wait.ts'

/** Python has what Node lacks: it prints each datagram as a line of JSON. */
const PROGRAM = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = sys.argv[1]
s.bind('\\0' + path[1:] if path.startswith('@') else path)
print('bound', flush=True)
while True:
    print(json.dumps(s.recv(65536).decode()), flush=True)
`

export interface Datagrams extends AsyncDisposable {
  /** What has come so far. */
  readonly received: readonly string[]
  /** Python's process. */
  readonly pid: number
}

/** A Unix datagram socket such as systemd's, at a path or, with @ in front, at an abstract name. */
export async function receiveDatagrams(path: string): Promise<Datagrams> {
  const python = spawn('python3', ['-c', PROGRAM, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = Promise.withResolvers<undefined>()
  python.once('close', () => gone.resolve(undefined))
  let text = ''
  python.stdout.setEncoding('utf8').on('data', (some: string) => {
    text += some
  })
  await until('python listens', () => text.startsWith('bound\n'))
  return {
    pid: python.pid ?? 0,
    get received() {
      return text
        .split('\n')
        .slice(1, -1)
        .map((line) => String(JSON.parse(line)))
    },
    [Symbol.asyncDispose]: async () => {
      python.kill()
      await gone.promise
    },
  }
}
