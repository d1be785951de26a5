import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { fetchUpdate } from '#src/admin/fetch-update.ts'
import { performUpdate } from '#src/admin/perform-update.ts'
import { dispatcher } from '#src/appliance/commands.ts'
import { updateCommands } from '#src/appliance/update-commands.ts'
import { askMaster } from '#src/cli/control-client.ts'
import { openControl } from '#src/net/control-server.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { box, holdsUpdate } from './box.ts'
import type { Box } from './box.ts'

/** A server on loopback that answers everything like this. */
async function web(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/postern-2.0.0-amd64.ptu`,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** The helper of a box on its socket, and a postern.toml that names it. */
async function served(one: Box) {
  const socket = join(one.folder, 'run', 'helper.sock')
  const { updater, outcomes } = one.start()
  const ran: string[] = []
  const commands = updateCommands({
    updater,
    outcomes,
    run: (program, words) => {
      ran.push([program, ...words].join(' '))
      return Promise.resolve({ code: 0, stdout: '', stderr: '' })
    },
    drain: () => Promise.resolve(undefined),
    restart: () => Promise.resolve(undefined),
  })
  const server = await openControl(
    socket,
    dispatcher(commands, () => {}),
    0o660,
  )
  const config = join(one.folder, 'postern.toml')
  writeFileSync(config, `data = "${join(one.folder, 'data')}"\n[console]\nhelper = "${socket}"\n`)
  return {
    ran,
    ask: async (command: string, words: readonly string[]) => (await askMaster(socket, command, words)) ?? {},
    postern: (...words: readonly string[]) =>
      run(process.execPath, [join(REPOSITORY, 'bin', 'postern'), 'update', '--config', config, ...words]),
    [Symbol.dispose]: () => {
      server.close()
    },
  }
}

test('an update is fetched from an address, checked, written by the helper, and nothing of it stays behind', async (t) => {
  using one = await box()
  using helper = await served(one)
  using server = await web((_request, response) => response.end(readFileSync(one.bundle)))
  const told = new Set<string>()
  const dataFolder = join(one.folder, 'data')
  const text = await performUpdate(server.url, {
    dataFolder,
    ask: helper.ask,
    tell: (line) => told.add(line),
    keysFolders: [one.keys],
  })
  t.regex(text, /^Release 2\.0\.0 is written; the machine starts it now/)
  t.true(holdsUpdate(one))
  t.deepEqual(readdirSync(join(dataFolder, 'updates')), [])
  t.true(told.has('fetching the update') && told.has('checking root.erofs'))
})

test('a file that is damaged or not signed for this machine is told before the helper is asked', async (t) => {
  using one = await box()
  using other = await box()
  const dataFolder = join(one.folder, 'data')
  const means = {
    dataFolder,
    tell: () => {},
    keysFolders: [one.keys],
    ask: () => Promise.reject(new Error('asked')),
  }
  await t.throwsAsync(performUpdate(other.bundle, means), { message: /is signed with the key/ })
  truncateSync(one.bundle, 2_550_000)
  await t.throwsAsync(performUpdate(one.bundle, means), { message: /it ends too early/ })
  t.deepEqual(readdirSync(join(dataFolder, 'updates')), [])
})

const LIMITS = { bytesMax: 1_000_000, silenceMs: 60_000 }

for (const [what, listener, limits, reason] of [
  [
    'says that there is none',
    (_, response) => response.writeHead(404).end(),
    LIMITS,
    /answered 404 Not Found/,
  ],
  [
    'announces too much',
    (_, response) => response.writeHead(200, { 'content-length': 2_000_000 }).write('x'),
    LIMITS,
    /larger than 0 MiB: no update is/,
  ],
  [
    'sends without end',
    (_, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more))
      }
      more()
    },
    LIMITS,
    /larger than 0 MiB/,
  ],
  [
    'leads round in a circle',
    (_, response) => response.writeHead(302, { location: '/again' }).end(),
    LIMITS,
    /without end/,
  ],
  [
    'leads to a file of ours',
    (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    LIMITS,
    /no address that begins/,
  ],
  ['says nothing', () => {}, { ...LIMITS, silenceMs: 200 }, /nothing has come for 0\.2 s/],
  [
    'stops in the middle',
    (_, response) => {
      response.write('the beginning')
    },
    { ...LIMITS, silenceMs: 200 },
    /nothing has come for 0\.2 s/,
  ],
  [
    'breaks off',
    (request, response) => {
      response
        .writeHead(200, { 'content-length': 500_000 })
        .write('the beginning', () => request.socket.destroy())
    },
    LIMITS,
    /cannot be fetched/,
  ],
] satisfies readonly (readonly [string, RequestListener, typeof LIMITS, RegExp])[]) {
  test(`a server that ${what} is told, and leaves nothing`, async (t) => {
    using one = await box()
    using server = await web(listener)
    const target = join(one.folder, 'updates', 'update.ptu')
    await t.throwsAsync(
      fetchUpdate(server.url, target, () => {}, limits),
      { message: reason },
    )
    t.false(existsSync(target))
  })
}

for (const [source, reason] of [
  ['ftp://127.0.0.1/x.ptu', /no address that begins with https:\/\/ or http:\/\//],
  ['http://', /no address/],
  ['/none.ptu', /there is no file \/none\.ptu/],
  ['/', /is no file/],
] as const) {
  test(`"${source}" is no update to be had`, async (t) => {
    using one = await box()
    const target = join(one.folder, 'updates', 'update.ptu')
    await t.throwsAsync(
      fetchUpdate(source, target, () => {}),
      { message: reason },
    )
  })
}

test('postern update tells the slots, starts the previous release, and says where there is no image', async (t) => {
  using one = await box()
  using helper = await served(one)
  writeFileSync(join(one.esp, 'EFI', 'Linux', 'postern_0.9.0.efi'), 'the kernel of 0.9.0')
  const status = await helper.postern('--status')
  t.is(status.stdout, 'Slot A: release 1.0.0, runs\nSlot B: release 0.9.0, was found good; can be started\n')
  t.like(JSON.parse((await helper.postern('--status', '--json')).stdout), { progress: { running: false } })
  t.regex((await helper.postern('--previous')).stdout, /starts release 0\.9\.0, this one time/)
  t.regex((await helper.postern('--previous', '--stay')).stdout, /and stays with it until the next update/)
  t.deepEqual(helper.ran, [
    '/usr/bin/bootctl set-oneshot postern_0.9.0.efi',
    '/usr/bin/bootctl set-default postern_0.9.0.efi',
  ])
  const file = await helper.postern(join(one.folder, 'none.ptu'))
  t.is(file.code, 1)
  t.regex(file.stderr, /there is no file/)
  t.is((await helper.postern()).code, 2)
  writeFileSync(
    join(one.folder, 'postern.toml'),
    `data = "${one.folder}"\n[console]\nhelper = "${one.folder}/no.sock"\n`,
  )
  for (const words of [['--status'], ['x.ptu'], ['--previous']]) {
    const plain = await helper.postern(...words)
    t.is(plain.code, 1)
    t.regex(plain.stderr, /this is no appliance image/)
  }
})
