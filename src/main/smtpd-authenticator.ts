import { Buffer } from 'node:buffer'
import type { DirectoryClient } from '#src/directory/client.ts'
import type { AuthAttempt, Authenticator, AuthVerdict } from '#src/smtp/ports.ts'

/** Passwords are checked by the `directory` process; smtpd never sees a hash, or a password of a directory server. */
export class DirectoryAuthenticator implements Authenticator {
  readonly #directory: DirectoryClient

  constructor(directory: DirectoryClient) {
    this.#directory = directory
  }

  async authenticate({ password, ...attempt }: AuthAttempt): Promise<AuthVerdict> {
    const answer = await this.#directory.ask({
      kind: 'authenticate',
      ...attempt,
      password: Buffer.from(password.buffer, password.byteOffset, password.length).toString('base64'),
    })
    switch (answer.kind) {
      case 'ok':
        return { kind: 'ok', user: answer.user, sendsAs: answer.addresses }
      case 'refused':
        return { kind: 'refused', why: answer.reason }
      case 'unavailable':
        return { kind: 'unavailable', why: answer.reason }
      case 'too-fast':
      case 'blocked':
        return answer
    }
  }
}
