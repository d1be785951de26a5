import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { cgroupLimits } from '#src/workers/cgroup.ts'
import { readMachine } from '#src/workers/machine.ts'
import { smtpdCount } from '#src/workers/size.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

const GIB = 1024 ** 3

for (const [cpus, memory, expected] of [
  [1, 0.25 * GIB, 1],
  [2, 24 * GIB, 2],
  [0.5, 4 * GIB, 1],
  [1.6, 4 * GIB, 2],
  [8, 1 * GIB, 2],
  [16, 64 * GIB, 16],
  [256, 1024 * GIB, 32],
] as const) {
  test(`${cpus} processors and ${memory / GIB} GiB carry ${expected} smtpd`, (t) => {
    t.is(smtpdCount({ cpus, memoryBytes: memory, availableBytes: memory }), expected)
  })
}

/** A root folder with these files, as the kernel would show them. */
function withRoot(files: Readonly<Record<string, string>>, look: (root: string) => void): void {
  using folder = tempFolder('cgroup')
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder.path, name)), { recursive: true })
    writeFileSync(join(folder.path, name), text)
  }
  look(folder.path)
}

for (const [title, files, expected] of [
  ['no cgroups at all', {}, { cpus: undefined, memoryBytes: undefined }],
  [
    'version 2: the smallest of a group and its parents',
    {
      'proc/self/cgroup': '0::/system.slice/postern.service\n',
      'sys/fs/cgroup/system.slice/postern.service/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/system.slice/postern.service/memory.max': 'max\n',
      'sys/fs/cgroup/system.slice/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/system.slice/memory.max': '1073741824\n',
    },
    { cpus: 1.5, memoryBytes: GIB },
  ],
  [
    'version 2 without limits',
    {
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/memory.max': 'max\n',
    },
    { cpus: undefined, memoryBytes: undefined },
  ],
  [
    'version 1, one controller mounted with another',
    {
      'proc/self/cgroup': '4:memory:/box\n2:cpu,cpuacct:/box\n1:name=systemd:/\n',
      'sys/fs/cgroup/cpu/box/cpu.cfs_quota_us': '50000\n',
      'sys/fs/cgroup/cpu/box/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/memory/box/memory.limit_in_bytes': '536870912\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    },
    { cpus: 0.5, memoryBytes: GIB / 2 },
  ],
  [
    'version 1 without limits',
    {
      'proc/self/cgroup': '2:cpu:/\n4:memory:/\n',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    },
    { cpus: undefined, memoryBytes: undefined },
  ],
  [
    'in a container: the path of the host is not there, the root is the group',
    {
      'proc/self/cgroup': '0::/../../host/path\n',
      'sys/fs/cgroup/memory.max': '268435456\n',
      'sys/fs/cgroup/cpu.max': '100000 100000\n',
    },
    { cpus: 1, memoryBytes: GIB / 4 },
  ],
  [
    'nonsense',
    { 'proc/self/cgroup': '0::/\nx\n', 'sys/fs/cgroup/cpu.max': 'a b\n', 'sys/fs/cgroup/memory.max': '\n' },
    { cpus: undefined, memoryBytes: undefined },
  ],
] as const) {
  test(`the limits of control groups: ${title}`, (t) => {
    withRoot(files, (root) => {
      t.deepEqual(cgroupLimits(root), expected)
    })
  })
}

test('the machine has processors and memory', async (t) => {
  const machine = await readMachine()
  t.true(machine.cpus > 0)
  t.true(machine.memoryBytes > 0)
  t.true(machine.availableBytes <= machine.memoryBytes)
})

test('asking the machine starts no other program', async (t) => {
  const script = `await (await import('#src/workers/machine.ts')).readMachine(); console.log('asked')`
  const args = ['-f', '-qq', '-e', 'trace=execve', process.execPath, '--input-type=module', '-e', script]
  const traced = await run('strace', args, { cwd: join(import.meta.dirname, '..', '..') }).catch(
    () => undefined,
  )
  if (traced === undefined) {
    t.log('skipped: there is no strace here')
    t.pass()
    return
  }
  t.is(traced.stdout, 'asked\n')
  t.deepEqual(traced.stderr.match(/execve\("[^"]*"/g), [`execve("${process.execPath}"`])
})
