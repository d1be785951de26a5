import test from 'ava'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { rotateLog } from '#src/main/log-rotation.ts'
import { tempFolder } from '#test/support/temp.ts'

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  using folder = tempFolder('rotation')
  await work(folder.path)
}

const LIMITS = { maxBytes: 100, keep: 2 }

test('a log within its bound stays as it is', (t) =>
  withFolder(async (folder) => {
    const file = join(folder, 'postern.log')
    writeFileSync(file, 'x'.repeat(100))
    t.false(await rotateLog(file, LIMITS))
    t.is(readFileSync(file, 'utf8').length, 100)
    t.false(existsSync(`${file}.1`))
  }))

test('a log that somebody has taken away is nothing to worry about', (t) =>
  withFolder(async (folder) => {
    t.false(await rotateLog(join(folder, 'none.log'), LIMITS))
  }))

test('a log beyond its bound is set aside whole, and the oldest that was set aside goes', (t) =>
  withFolder(async (folder) => {
    const file = join(folder, 'postern.log')
    for (const letter of ['a', 'b', 'c', 'd']) {
      appendFileSync(file, letter.repeat(101))
      t.true(await rotateLog(file, LIMITS))
      t.is(readFileSync(file, 'utf8'), '')
    }
    t.is(readFileSync(`${file}.1`, 'utf8'), 'd'.repeat(101))
    t.is(readFileSync(`${file}.2`, 'utf8'), 'c'.repeat(101))
    t.false(existsSync(`${file}.3`))
  }))

test('who has the log open for appending writes on into the emptied file, and no line is lost', (t) =>
  withFolder(async (folder) => {
    const file = join(folder, 'postern.log')
    const fd = openSync(file, 'a')
    const before = Array.from({ length: 50 }, (_, i) => `line ${i}\n`)
    for (const line of before) writeSync(fd, line)
    const rotated = rotateLog(file, LIMITS)
    // While the copy is made.
    writeSync(fd, 'meanwhile\n')
    t.true(await rotated)
    writeSync(fd, 'afterwards\n')
    const aside = readFileSync(`${file}.1`, 'utf8')
    t.is(aside + readFileSync(file, 'utf8'), `${before.join('')}meanwhile\nafterwards\n`)
  }))

test('with none to keep the log is only emptied', (t) =>
  withFolder(async (folder) => {
    const file = join(folder, 'postern.log')
    writeFileSync(file, 'x'.repeat(101))
    t.true(await rotateLog(file, { maxBytes: 100, keep: 0 }))
    t.is(readFileSync(file, 'utf8'), '')
    t.false(existsSync(`${file}.1`))
  }))

test('what stands in the way is told, and the log stays', (t) =>
  withFolder(async (folder) => {
    const file = join(folder, 'postern.log')
    writeFileSync(file, 'x'.repeat(101))
    mkdirSync(`${file}.2`)
    await t.throwsAsync(rotateLog(file, LIMITS))
    t.is(readFileSync(file, 'utf8').length, 101)
  }))
