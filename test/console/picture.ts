/** Of one cell, in units of the picture. */
const CELL = { width: 8.4, height: 17 } as const
const MARGIN = 10
const FONT_SIZE = 14
const INK = '#d5f5d5'
const PAPER = '#101810'

interface Run {
  readonly row: number
  readonly column: number
  readonly text: string
  readonly isReversed: boolean
}

/**
 * A screen as an SVG that needs no font of its own: lines of text with SGR sequences as `tmux capture-pane -e` gives
 * them. Each run has its width said, so that another font than ours changes no column.
 */
export function pictureOf(lines: readonly string[], columns: number, title: string): string {
  const width = columns * CELL.width + 2 * MARGIN
  const height = lines.length * CELL.height + 2 * MARGIN
  const rows = runsOf(lines).map(runSvg)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" rx="6" fill="${PAPER}"/>`,
    `<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="${FONT_SIZE}" fill="${INK}">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

function runSvg({ row, column, text, isReversed }: Run): string {
  const x = round(MARGIN + column * CELL.width)
  const y = MARGIN + row * CELL.height
  const length = round(text.length * CELL.width)
  const bar = isReversed
    ? `<rect x="${x}" y="${y}" width="${length}" height="${CELL.height}" fill="${INK}"/>`
    : ''
  const ink = isReversed ? ` fill="${PAPER}"` : ''
  // SVG joins blanks; a no-break space is as wide and stays.
  const shown = escaped(text).replaceAll(' ', '\u00a0')
  return `${bar}<text x="${x}" y="${round(y + CELL.height * 0.76)}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${ink}>${shown}</text>`
}

/**
 * Parts of lines that are of one style, which goes on from line to line; blanks at the ends are left out where nothing
 * is seen of them.
 */
function runsOf(lines: readonly string[]): readonly Run[] {
  const runs: Run[] = []
  let isReversed = false
  for (const [row, line] of lines.entries()) {
    let column = 0
    // oxlint-disable-next-line no-control-regex -- that is what a terminal is sent
    for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
      // oxlint-disable-next-line no-control-regex -- likewise
      const style = /^\u001b\[([\d;]*)m$/.exec(part)?.[1]
      if (style !== undefined) {
        isReversed = style.split(';').includes('7')
        continue
      }
      const text = isReversed ? part : part.trimEnd()
      const from = isReversed ? 0 : text.length - text.trimStart().length
      if (text.length > from) runs.push({ row, column: column + from, text: text.slice(from), isReversed })
      column += part.length
    }
  }
  return runs
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
