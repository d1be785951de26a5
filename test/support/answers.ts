import { once } from 'node:events'
import { connect } from 'node:net'

/** Whether something on a loopback port says anything, as a mail server does at once. For `until`. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'data')
    return true
  } catch {
    // Not yet: `until` asks again.
    return false
  } finally {
    socket.destroy()
  }
}
