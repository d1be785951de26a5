import { setTimeout as sleep } from 'node:timers/promises'
import { masterStart, startDetached } from '#src/admin/start.ts'
import type { Started } from '#src/admin/start.ts'
import type { Appliance } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import { linesOf, textOf } from '#src/console/image.ts'
import type { Image } from '#src/console/image.ts'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import type { Key } from '#src/console/keys.ts'
import type { ConsolePassword } from '#src/admin/console-password.ts'

export interface PowerDeps {
  readonly appliance: Appliance
  readonly image: Image
  readonly desk: Desk
  readonly env: NodeJS.ProcessEnv
  readonly password: Pick<ConsolePassword, 'isSet' | 'set'>
  /** systemd starts Postern again by itself (manager.ts). */
  readonly isManaged: boolean
}

/** Between two looks whether it has ended. */
const POLL_MS = 250

/** What stops something, and the password of the console. */
export class PowerPage implements Page {
  readonly title = 'Power'
  readonly open = false
  readonly help = [
    'r  restart Postern: sessions and deliveries under way are finished first, clients wait or come again',
    't  stop it; page 1 starts it again. Nothing in the queue is lost. Where systemd looks after it, it would start it again, and is the one to stop it.',
    'l  read postern.toml, certificates and signatures anew, without dropping a session',
    'k  set the password of this console, or take it away',
    '',
    'On the appliance image also:',
    'b  reboot: restarts the machine',
    'o  switches it off',
    'y  shows the key that opens the data partition where the TPM of this machine does not: note it on the first day',
    'f  sets it back to how it was delivered; that is asked twice, and whether the queue is kept',
  ]
  readonly #deps: PowerDeps
  /** The recovery key, until another page or key. */
  #shown: readonly string[] = []

  constructor(deps: PowerDeps) {
    this.#deps = deps
  }

  get keys(): string {
    const machine = this.#deps.image.isThere ? '  b reboot  o off  y key  f reset' : ''
    return `r restart  t stop  l reload  k password${machine}  ?`
  }

  enter(): void {
    this.#shown = []
  }

  draw(canvas: Canvas): void {
    const { image, password } = this.#deps
    canvas.put(1, 2, 'r   restart Postern: what is under way is finished first')
    canvas.put(2, 2, 't   stop Postern: no mail is taken until it is started again (page 1)')
    canvas.put(3, 2, 'l   reload: postern.toml, certificates and signatures are read anew')
    canvas.put(5, 2, `k   password of the console (${password.isSet ? 'one is set' : 'NONE IS SET'})`)
    if (image.isThere) {
      canvas.put(7, 2, 'b   restart the machine')
      canvas.put(8, 2, 'o   switch the machine off')
      canvas.put(9, 2, 'y   show the recovery key of the data partition')
      canvas.put(10, 2, 'f   factory reset: all settings are lost; it is asked twice')
      for (const [at, line] of this.#shown.entries()) canvas.put(12 + at, 2, line)
    } else {
      canvas.put(7, 2, 'This is no appliance image: the machine is restarted and switched off with the')
      canvas.put(8, 2, 'means of its system, and there is no factory reset.')
    }
  }

  async press(key: Key): Promise<void> {
    if (key.kind !== 'char') return
    this.#shown = []
    switch (key.char) {
      case 'r':
        return await this.#restart()
      case 't':
        return await this.#stop()
      case 'l':
        return await this.#reload()
      case 'k':
        return await this.#password()
      default:
        if (this.#deps.image.isThere) await this.#machine(key.char)
    }
  }

  async #machine(char: string): Promise<void> {
    if (char === 'b') await this.#simple('restart', 'Restart the machine?')
    else if (char === 'o') await this.#simple('power-off', 'Switch the machine off?')
    else if (char === 'y') await this.#recoveryKey()
    else if (char === 'f') await this.#factoryReset()
  }

  async #simple(command: ImageCommand, question: string): Promise<void> {
    const { image, desk } = this.#deps
    if (!(await desk.confirm(question))) return
    const answer = await desk.work('asking', () => image.ask(command))
    if (answer !== undefined) desk.say(textOf(answer, 'It is being done.'))
  }

  async #recoveryKey(): Promise<void> {
    const { image, desk } = this.#deps
    const answer = await desk.work('asking', () => image.ask('recovery-key'))
    if (answer === undefined) return
    this.#shown = linesOf(answer)
    desk.say(textOf(answer, ''))
  }

  async #factoryReset(): Promise<void> {
    const { image, desk } = this.#deps
    if (!(await desk.confirm('Factory reset: ALL SETTINGS ARE LOST. Go on?'))) return
    const queue = await desk.ask('The mail that waits: "keep" it, or "wipe" it?', { initial: 'keep' })
    if (queue !== 'keep' && queue !== 'wipe') {
      desk.say('Nothing was done.')
      return
    }
    const typed = await desk.ask('Are you sure? Type RESET:')
    if (typed !== 'RESET') {
      desk.say('Nothing was done.')
      return
    }
    const answer = await desk.work('resetting', () => image.ask('factory-reset', [queue]))
    if (answer !== undefined) desk.say(textOf(answer, 'The machine starts anew.'))
  }

  async #restart(): Promise<void> {
    const { appliance, desk, env, isManaged } = this.#deps
    if (!(await desk.confirm('Restart Postern?'))) return
    const { dataFolder, file } = appliance.config
    const started = await desk.work('restarting', async (signal) => {
      if (isManaged) return await this.#awaitAnother(signal)
      await this.#end(signal)
      return await startDetached(masterStart(dataFolder, file, env), dataFolder)
    })
    if (started === undefined) return
    desk.say(started.code === 0 ? 'Postern runs.' : started.text.replaceAll('\n', ' '))
  }

  async #stop(): Promise<void> {
    const { desk, image, isManaged } = this.#deps
    if (isManaged) {
      desk.say(
        image.isThere
          ? 'On this machine it always runs: r starts it anew, o switches the machine off.'
          : 'systemd would start it again: "systemctl stop postern" stops it, as root.',
      )
      return
    }
    if (!(await desk.confirm('Stop Postern? No mail is taken until it is started again.'))) return
    const done = await desk.work('stopping', async (signal) => {
      await this.#end(signal)
      return true
    })
    if (done === true) desk.say('Postern has stopped. Page 1 starts it again.')
  }

  /** Asks for the end, and waits for the master that systemd starts then. */
  async #awaitAnother(signal: AbortSignal): Promise<Started> {
    const { appliance } = this.#deps
    const { pid } = await appliance.master('status')
    await appliance.master('stop')
    for (;;) {
      const now = await appliance.masterIfThere('status')
      if (now !== undefined && now['pid'] !== pid) return { code: 0, text: '' }
      await sleep(POLL_MS, undefined, { signal })
    }
  }

  /** Asks for the end and waits for it: master's socket closes when everything has ended. */
  async #end(signal: AbortSignal): Promise<void> {
    const { appliance } = this.#deps
    await appliance.master('stop')
    while ((await appliance.masterIfThere('status')) !== undefined)
      await sleep(POLL_MS, undefined, { signal })
  }

  async #reload(): Promise<void> {
    const { appliance, desk } = this.#deps
    const reply = await desk.work('reloading', () => appliance.master('reload'))
    if (reply === undefined) return
    const notes = Array.isArray(reply['notes']) ? reply['notes'].map(String) : []
    desk.say(`Generation ${String(reply['generation'])} is in force. ${notes.join('; ')}`)
  }

  async #password(): Promise<void> {
    const { desk, image, password } = this.#deps
    const first = await desk.ask('New password (empty for none):', { secret: true })
    if (first === undefined) return
    const second = await desk.ask('Once more:', { secret: true })
    if (second === undefined) return
    if (first !== second) {
      desk.say('The two are not the same; nothing was changed.')
      return
    }
    if (first === '' && image.isThere) {
      desk.say('This box serves nobody without a password: set another one.')
      return
    }
    if (first === '' && !(await desk.confirm('Take the password away?'))) return
    const done = await desk.work('setting', async () => {
      await password.set(first)
      // The first one opens the box.
      if (image.isThere) await image.ask('setup-done')
      return true
    })
    if (done === true) desk.say(first === '' ? 'The console has no password.' : 'The password is set.')
  }
}
