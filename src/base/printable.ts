// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Text of the network on its way to a terminal: nothing in it may move the cursor or begin a line. */
export function printable(text: string): string {
  return text.replace(UNSAFE, '?')
}
