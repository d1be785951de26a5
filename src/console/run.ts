import { systemClock } from '#src/base/clock.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import { provisionRemarks, readProvisionReport } from '#src/admin/provision-report.ts'
import { App } from './app.ts'
import type { Appliance } from './appliance.ts'
import type { Desk, Page } from './desk.ts'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import { OWN_KEYS } from '#src/admin/update-keys.ts'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { Image } from './image.ts'
import { LazyPage } from './lazy-page.ts'
import { isManaged } from './manager.ts'
import { FirstPage } from './pages/first.ts'
import { SetUpPage } from './pages/set-up.ts'
import { StatusPage } from './pages/status.ts'
import { Screen } from './screen.ts'
import { ASK_SIZE, Terminal } from './terminal.ts'

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv
  /** It cannot be left by a key. */
  readonly stay: boolean
}

const MENU = '1 Status 2 Queues 3 Trace 4 Log 5 Settings 6 Network 7 Update 8 Tests 9 Power ?'

/** What is shown is looked at so often. */
const TICK_MS = 2000
/** Noise on the line may have changed what is shown: once in a while all of it is sent anew, while nobody types. */
const WHOLE_MS = 300_000

/** Shows the pages on standard input and output until somebody leaves or the line hangs up; the exit code. */
export async function runConsole(appliance: Appliance, { env, stay }: RunOptions): Promise<number> {
  const over = Promise.withResolvers<void>()
  const leave = (): void => over.resolve()
  const password = new ConsolePassword(appliance.config.dataFolder, systemClock)
  using terminal = new Terminal({
    onKey: (key) => {
      if (key.kind === 'redraw' && !terminal.knowsSize) screen.raw(ASK_SIZE)
      void app.press(key)
    },
    onSize: (size) => app.resize(size),
    onGone: leave,
  })
  using screen = new Screen(terminal.send, (error) => {
    // EIO: the other end of the line is gone. Whatever else it is, nothing can be shown any more.
    if (errorCode(error) !== 'EIO') process.exitCode = 1
    leave()
  })
  let status: StatusPage | undefined
  const app: App = new App({
    pages: (desk) => {
      const made = pagesOf(appliance, { desk, env, password })
      status = made.status
      return made.pages
    },
    menu: MENU,
    clock: systemClock,
    sight: () => ({
      hostname: status?.state.hostname ?? '',
      trouble: status?.trouble ?? '',
    }),
    password,
    idleMs: appliance.config.console.idleMs,
    onFrame: (frame) => screen.show(frame),
    onForget: () => screen.forget(),
    onLeave: () => {
      if (!stay) leave()
    },
  })
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.once(signal, leave)
  app.resize(terminal.size)
  if (!terminal.knowsSize) screen.raw(ASK_SIZE)
  const timers = [
    setInterval(() => {
      // Nothing is looked up for a line that nobody reads.
      if (!screen.stalled) void app.tick()
    }, TICK_MS),
    setInterval(() => void status?.look(), LOOK_MS),
    setInterval(() => screen.forget(), WHOLE_MS),
  ]
  await app.start()
  app.redraw()
  await over.promise
  for (const timer of timers) clearInterval(timer)
  screen.raw(`\u001b[m\u001b[H\u001b[2J`)
  return 0
}

/** For the word in the title and the charts, whatever page is shown. */
const LOOK_MS = 5000

interface PageDeps {
  readonly desk: Desk
  readonly env: NodeJS.ProcessEnv
  readonly password: ConsolePassword
}

function pagesOf(
  appliance: Appliance,
  { desk, env, password }: PageDeps,
): { readonly status: StatusPage; readonly pages: readonly Page[] } {
  const clock = systemClock
  const { log, console: own } = appliance.config
  const remarks = (): readonly string[] => [
    ...(appliance.configTrouble === '' ? [] : [appliance.configTrouble]),
    ...setUpRemarks(own.helperSocket),
    ...(password.isSet
      ? []
      : ['The console has no password: whoever reaches it may change everything (page 9, key k).']),
  ]
  const image = new Image(own.helperSocket)
  const managed = isManaged(appliance.config.file)
  const status = new StatusPage({ appliance, desk, clock, env, remarks, isManaged: managed })
  const file = log.textFile === '' ? log.jsonFile : log.textFile
  const pages = [
    new FirstPage({
      status,
      setUp: new SetUpPage({ image, desk, password, remarks: () => setUpRemarks(own.helperSocket) }),
      isUnset: () => image.isThere && !password.isSet,
    }),
    new LazyPage('Queues', async () => {
      const { QueuesPage } = await import('./pages/queues.ts')
      return new QueuesPage({ appliance, desk, clock })
    }),
    new LazyPage('Trace', async () => {
      const { TracePage } = await import('./pages/trace.ts')
      return new TracePage({ appliance, desk, clock })
    }),
    new LazyPage('Log', async () => new (await import('./pages/log.ts')).LogPage({ file, desk })),
    new LazyPage('Settings', async () => {
      const { SettingsPage } = await import('./pages/settings.ts')
      return new SettingsPage({ appliance, desk })
    }),
    new LazyPage('Network', async () => {
      const { NetworkPage } = await import('./pages/network.ts')
      return new NetworkPage({ appliance, image, desk })
    }),
    new LazyPage('Update', async () => {
      const [{ UpdatePage }, { performStickUpdate, performUpdate }] = await Promise.all([
        import('./pages/update.ts'),
        import('#src/admin/perform-update.ts'),
      ])
      const { dataFolder } = appliance.config
      const ask = (command: ImageCommand, words: readonly string[]) => image.ask(command, words)
      return new UpdatePage({
        image,
        desk,
        perform: async ({ source, isOnStick, anyway }, tell) => {
          const means = { dataFolder, keysFolders: [OWN_KEYS, image.keysFolder], tell, ask, anyway }
          return await (isOnStick ? performStickUpdate(source, means) : performUpdate(source, means))
        },
      })
    }),
    new LazyPage('Tests', async () => {
      const { TestsPage } = await import('./pages/tests.ts')
      return new TestsPage({ appliance, desk })
    }),
    new LazyPage('Power', async () => {
      const { PowerPage } = await import('./pages/power.ts')
      return new PowerPage({ appliance, image, desk, env, password, isManaged: managed })
    }),
  ]
  return { status, pages }
}

/** What the image says of its set-up: a wrong provisioning file with each of its mistakes, a right one for a while. */
function setUpRemarks(helperSocket: string): readonly string[] {
  try {
    const report = readProvisionReport(helperSocket)
    return report === undefined ? [] : provisionRemarks(report, systemClock.nowMs())
  } catch (error) {
    return [errorText(error)]
  }
}
