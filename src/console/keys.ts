/** What somebody has pressed, whatever terminal it was on. */
export type Key =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: NamedKey }
  /** The terminal's answer to the question for its size (ECMA-48 8.3.14, CPR). */
  | { readonly kind: 'size'; readonly rows: number; readonly columns: number }

type NamedKey =
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'page-up'
  | 'page-down'
  | 'home'
  | 'end'
  | 'tab'
  | 'redraw'
  | 'interrupt'
  | 'clear'

const CONTROLS: ReadonlyMap<number, NamedKey> = new Map([
  [0x0d, 'enter'],
  [0x0a, 'enter'],
  [0x08, 'backspace'],
  [0x7f, 'backspace'],
  [0x09, 'tab'],
  [0x0c, 'redraw'],
  [0x12, 'redraw'],
  [0x03, 'interrupt'],
  [0x04, 'interrupt'],
  [0x15, 'clear'],
  // Ctrl-P and Ctrl-N: for a terminal without arrows, or a line that mangles their sequences.
  [0x10, 'up'],
  [0x0e, 'down'],
  [0x06, 'page-down'],
  [0x02, 'page-up'],
])

/** VT100 (CSI or SS3, by its mode), VT220, xterm, rxvt, the Linux console and PuTTY. */
const SEQUENCES: ReadonlyMap<string, NamedKey> = new Map([
  ['A', 'up'],
  ['B', 'down'],
  ['C', 'right'],
  ['D', 'left'],
  ['H', 'home'],
  ['F', 'end'],
  ['M', 'enter'],
  ['1~', 'home'],
  ['7~', 'home'],
  ['4~', 'end'],
  ['8~', 'end'],
  ['5~', 'page-up'],
  ['6~', 'page-down'],
  ['3~', 'backspace'],
])

/** A sequence that is longer is none: noise, or a text that somebody pasted. */
const SEQUENCE_CHARS_MAX = 32

type State = 'ground' | 'escape' | 'csi' | 'ss3' | 'linux' | 'string'

/**
 * Takes octets as the line brings them, in whatever pieces, and makes keys of them. A sequence that nobody here knows
 * is read over whole, so that its letters press nothing; likewise what is no ASCII.
 */
export class KeyReader {
  #state: State = 'ground'
  #text = ''

  /** Whether an ESC came of which it is not known yet whether more follows. */
  get waiting(): boolean {
    return this.#state !== 'ground'
  }

  read(octets: Uint8Array): readonly Key[] {
    const keys: Key[] = []
    for (const octet of octets) {
      const key = this.#take(octet)
      if (key !== undefined) keys.push(key)
    }
    return keys
  }

  /** Nothing more has come for so long that a lone ESC was the key. */
  rest(): readonly Key[] {
    const lone = this.#state === 'escape'
    this.#state = 'ground'
    this.#text = ''
    return lone ? [{ kind: 'escape' }] : []
  }

  #take(octet: number): Key | undefined {
    switch (this.#state) {
      case 'ground':
        return this.#ground(octet)
      case 'escape':
        return this.#escape(octet)
      case 'csi':
        return this.#sequence(octet)
      case 'ss3':
        return this.#end(String.fromCharCode(octet))
      case 'linux':
        // `ESC [ [ A` is F1 of the Linux console.
        this.#state = 'ground'
        return undefined
      case 'string':
        return this.#string(octet)
    }
  }

  #ground(octet: number): Key | undefined {
    if (octet === 0x1b) {
      this.#state = 'escape'
      return undefined
    }
    const named = CONTROLS.get(octet)
    if (named !== undefined) return { kind: named }
    return octet >= 0x20 && octet < 0x7f ? { kind: 'char', char: String.fromCharCode(octet) } : undefined
  }

  #escape(octet: number): Key | undefined {
    this.#text = ''
    switch (String.fromCharCode(octet)) {
      case '[':
        this.#state = 'csi'
        return undefined
      case 'O':
        this.#state = 'ss3'
        return undefined
      // Strings of a terminal that answers (DCS, OSC, PM, APC): read over to their end.
      case 'P':
      case ']':
      case '^':
      case '_':
        this.#state = 'string'
        return undefined
      case '\u001b':
        return { kind: 'escape' }
      default:
        // Alt with a key: the key alone would be a surprise.
        this.#state = 'ground'
        return undefined
    }
  }

  #sequence(octet: number): Key | undefined {
    const char = String.fromCharCode(octet)
    if (this.#text === '' && char === '[') {
      this.#state = 'linux'
      return undefined
    }
    this.#text += char
    // ECMA-48 section 5.4: the final octet of a control sequence.
    if (octet >= 0x40 && octet <= 0x7e) return this.#end(this.#text)
    if (octet < 0x20 || octet > 0x7e || this.#text.length > SEQUENCE_CHARS_MAX) this.#state = 'ground'
    return undefined
  }

  #string(octet: number): undefined {
    this.#text += String.fromCharCode(octet)
    const isOver = octet === 0x07 || this.#text.endsWith('\u001b\\')
    if (isOver || this.#text.length > SEQUENCE_CHARS_MAX) this.#state = 'ground'
    return undefined
  }

  #end(text: string): Key | undefined {
    this.#state = 'ground'
    const [, rows, columns] = /^(\d{1,4});(\d{1,4})R$/.exec(text) ?? []
    if (rows !== undefined && columns !== undefined)
      return { kind: 'size', rows: Number(rows), columns: Number(columns) }
    // With Shift or Ctrl it is the same key: `1;5A`.
    const bare = text.replace(/^1;\d(?=[A-Z])/, '').replace(/;\d~$/, '~')
    const named = SEQUENCES.get(bare)
    return named === undefined ? undefined : { kind: named }
  }
}
