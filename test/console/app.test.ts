import test from 'ava'
import type { Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import type { LoginVerdict } from '#src/admin/console-password.ts'
import { until } from '#test/support/wait.ts'
import { Rig } from './rig.ts'

/** A page that notes what becomes of it. */
class NotingPage implements Page {
  readonly help = ['x  does it, and this is a long sentence about what that is, longer than one line of it']
  readonly keys = 'x do it'
  readonly title: string
  readonly open: boolean
  readonly events: string[] = []
  readonly #desk: Desk
  depth = 0

  constructor(title: string, open: boolean, desk: Desk) {
    this.title = title
    this.open = open
    this.#desk = desk
  }

  draw(canvas: Canvas): void {
    canvas.put(0, 0, `${this.title} is shown, ${this.events.join(' ')}`)
  }

  enter(): void {
    this.events.push('entered')
  }

  back(): boolean {
    this.depth -= 1
    return this.depth >= 0
  }

  tick(): void {
    this.events.push('ticked')
  }

  async press(key: Key): Promise<void> {
    if (key.kind !== 'char') return
    if (key.char === 'x') this.events.push((await this.#desk.confirm('Do it?')) ? 'done' : 'left')
    else if (key.char === 'a') this.events.push(String(await this.#desk.ask('Name:', { initial: 'old' })))
    else if (key.char === 'e') throw new Error('no such thing')
    else if (key.char === 'w')
      this.events.push(String(await this.#desk.work('working', () => new Promise<string>(() => {}))))
    else if (key.char === 'f')
      await this.#desk.work('failing', () => Promise.reject(new Error('the disk is gone')))
    else this.events.push(key.char)
  }
}

function rigOf(options: ConstructorParameters<typeof Rig>[1] = {}) {
  const pages: NotingPage[] = []
  const rig = new Rig((desk) => {
    pages.push(new NotingPage('First', true, desk), new NotingPage('Second', false, desk))
    return pages
  }, options)
  const [first, second] = pages
  if (first === undefined || second === undefined) throw new Error('no pages')
  return { rig, first, second }
}

for (const [keys, wanted] of [
  ['xy', 'done'],
  ['xY', 'done'],
  ['xn', 'left'],
  ['x\r', 'left'],
  ['x ', 'left'],
  ['x\u001b', 'left'],
  ['x\u0003', 'left'],
] as const)
  test(`what changes something is asked first, and ${JSON.stringify(keys.slice(1))} means ${wanted}`, async (t) => {
    const { rig, first } = rigOf()
    using _ = rig
    await rig.after('x', /Do it\? \(y\/n\)/)
    t.deepEqual(first.events, [])
    rig.press(keys.slice(1))
    await until('it is answered', () => first.events.length > 0)
    t.deepEqual(first.events, [wanted])
  })

test('keys typed ahead of a question do not answer it', async (t) => {
  const { rig, first } = rigOf()
  using _ = rig
  // Both keys come while the first is not yet answered for.
  rig.press('bx')
  await rig.after('', /Do it/)
  rig.press('n')
  await until('it is answered', () => first.events.includes('left'))
  t.deepEqual(first.events, ['b', 'left'])
})

test('an answer is edited: erased, cleared, and given up', async (t) => {
  const { rig, first } = rigOf()
  using _ = rig
  await rig.after('a', /Name: old/)
  await rig.after('\u007f\u007few', /Name: oew/)
  await rig.after('\u0015new', /Name: new/)
  rig.press('\r')
  await until('it is answered', () => first.events.length === 1)
  await rig.after('a', /Name: old/)
  rig.press('\u001b')
  await until('it is given up', () => first.events.length === 2)
  t.deepEqual(first.events, ['new', 'undefined'])
})

test('what takes long is given up with ESC, and what fails says why', async (t) => {
  const { rig, first } = rigOf()
  using _ = rig
  await rig.after('w', /working\.\.\. \(ESC gives up\)/)
  await rig.after('\u001b', /working: given up/)
  t.deepEqual(first.events, ['undefined'])
  await rig.after('f', /failing: the disk is gone/)
  await rig.after('e', /no such thing/)
  t.false(rig.left)
})

test('help names the keys of the page and those of all, and any other key leaves it', async (t) => {
  const { rig, first } = rigOf()
  using _ = rig
  await rig.after('?', /First: help[\s\S]*\nx {2}does it[\s\S]*\n {3}line of it[\s\S]*On every page/)
  await rig.after('z', /First is shown/)
  t.deepEqual(first.events, [], 'the key that leaves help does nothing else')
})

test('ESC goes back within a page first, then to the first page', async (t) => {
  const { rig, second } = rigOf()
  using _ = rig
  await rig.after('2', /Second is shown/)
  second.depth = 1
  rig.press('\u001b')
  t.regex(rig.text, /Second is shown/)
  await rig.after('\u001b', /First is shown/)
})

const WRONG: LoginVerdict = { kind: 'wrong', left: 3 }

function secret() {
  const given: string[] = []
  return {
    given,
    isSet: true,
    check: (password: string): Promise<LoginVerdict> => {
      given.push(password)
      if (password === 'locked') return Promise.resolve({ kind: 'locked', forMs: 300_000 })
      return Promise.resolve(password === 'right' ? { kind: 'right' } : WRONG)
    },
  }
}

test('a page that is not open to all wants the password, which is never shown, and locks are told', async (t) => {
  const password = secret()
  const { rig, second } = rigOf({ password })
  using _ = rig
  await rig.after('2', /Password of the console:/)
  await rig.after('wrong', /\*{5}/)
  t.notRegex(rig.sent, /wrong/)
  await rig.after('\r', /3 tries are left/)
  t.regex(rig.text, /First is shown/)
  await rig.after('2', /Password/)
  await rig.after('locked\r', /locked for 5 min/)
  t.deepEqual(second.events, [])
  await rig.after('2', /Password/)
  await rig.after('right\r', /Second is shown/)
  await rig.after('1', /First is shown/)
  await rig.after('2', /Second is shown/)
  t.deepEqual(password.given, ['wrong', 'locked', 'right'], 'it is asked for once')
})

test('who logs out, or presses no key for so long, must say the password again', async (t) => {
  const { rig, second } = rigOf({ password: secret(), idleMs: 600_000 })
  using _ = rig
  await rig.after('2', /Password/)
  await rig.after('right\r', /Second is shown/)
  await rig.after('q', /Logged out\./)
  await rig.after('2', /Password/)
  await rig.after('right\r', /Second is shown/)
  await rig.clock.advance(599_000)
  await rig.app.tick()
  t.regex(rig.text, /Second is shown/)
  // A question that stands open is given up too: nobody else may answer it.
  await rig.after('x', /Do it/)
  await rig.clock.advance(600_001)
  await rig.app.tick()
  await until('it is left', () => second.events.includes('left'))
  await rig.after('', /First is shown[\s\S]*no key was pressed for long/)
  await rig.after('2', /Password/)
  t.false(rig.left)
})

test('a word about trouble stands in the title of every page', async (t) => {
  const { rig } = rigOf({ trouble: () => '2 ALARMS' })
  using _ = rig
  await rig.after('2', /Second +\*\*\* 2 ALARMS \*\*\*/)
  t.true(rig.terminal.isReversed(0))
})

for (const size of [
  { rows: 60, columns: 132 },
  { rows: 24, columns: 80 },
  { rows: 10, columns: 40 },
  { rows: 9, columns: 40 },
  { rows: 2, columns: 5 },
  { rows: 500, columns: 500 },
])
  test(`a terminal of ${size.columns}x${size.rows} gets what it has room for, and nothing else`, async (t) => {
    const { rig } = rigOf({ size })
    using _ = rig
    await rig.app.start()
    rig.app.redraw()
    t.deepEqual(rig.terminal.strange, [])
    const isEnough = size.rows >= 10 && size.columns >= 40
    t.is(/First is shown/.test(rig.text), isEnough)
    t.is(rig.text.startsWith('t'), !isEnough)
  })
