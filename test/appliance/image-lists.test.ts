import { readFileSync } from 'node:fs'
import test from 'ava'

/** SET or SET-ARCH, and a package. */
function listed(): readonly (readonly [set: string, name: string])[] {
  return readFileSync('image/packages.list', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const [set = '', ...names] = line.split(' ')
      return names.map((name) => [set, name] as const)
    })
}

const LOCK = new Set(
  readFileSync('image/versions.lock', 'utf8')
    .split('\n')
    .map((line) => line.replace(/=.*/, '')),
)

for (const arch of ['amd64'])
  test(`each package that an image for ${arch} wants has its version in the lock`, (t) => {
    const wanted = listed().filter(([set]) => !set.includes('-') || set.endsWith(`-${arch}`))
    const missing = wanted
      .map(([set, name]) => `${set.replace(`-${arch}`, '')}-${arch} ${name.replace(/:.*/, '')}`)
      .filter((line) => !LOCK.has(line))
    t.deepEqual(missing, [], 'make image-lock writes them')
    t.true(wanted.length > 30)
  })

test('each user of ours has a number in the image, where what it owns outlives the root', (t) => {
  const numbered = readFileSync('image/users.sh', 'utf8')
  const users = readFileSync('systemd/postern.sysusers', 'utf8').matchAll(/^[ug] (\S+)/gm)
  const names = [...users].map(([, name = '']) => name)
  t.true(names.includes('postern-smtpd'))
  const without = names.filter((name) => !new RegExp(`^add ${name} \\d|[ ]${name}:x:\\d`, 'm').test(numbered))
  t.deepEqual(without, [], 'image/users.sh names them')
})
