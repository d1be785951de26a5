import test from 'ava'
import { parseLine } from '#src/cli/zmprov/line.ts'

for (const [line, words] of [
  ['ga ann@one.test', ['ga', 'ann@one.test']],
  [
    "  ca a@b.test 'two words'  displayName \"say 'hi'\" ",
    ['ca', 'a@b.test', 'two words', 'displayName', "say 'hi'"],
  ],
  ["ma a@b.test description ''", ['ma', 'a@b.test', 'description', '']],
  ["a'b c", ["a'b", 'c']],
  ['one\\ word', ['one word']],
  ["'it\\'s'", ["it's"]],
  ['"line one\\nline two"', ['line one\nline two']],
  ['a\\\\b', ['a\\b']],
  ["'never closed", ['never closed']],
  ["'a''b'", ['a', 'b']],
  ['# a comment', []],
  ['   # another', []],
  ['ma a@b.test description #no-comment', ['ma', 'a@b.test', 'description', '#no-comment']],
  ['', []],
  [' \t ', []],
] as const) {
  test(`the line ${JSON.stringify(line)} has ${words.length} words`, (t) => {
    t.deepEqual(parseLine(line), words)
  })
}
