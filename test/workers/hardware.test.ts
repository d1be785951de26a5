import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { hardwareTroubles } from '#src/workers/hardware.ts'
import { tempFolder } from '#test/support/temp.ts'

for (const [title, files, expected] of [
  [
    'a sensor below its limit',
    { 'class/hwmon/hwmon0/temp1_input': '70000', 'class/hwmon/hwmon0/temp1_crit': '100000' },
    [],
  ],
  [
    'a sensor at its limit',
    {
      'class/hwmon/hwmon0/name': 'coretemp\n',
      'class/hwmon/hwmon0/temp1_input': '100000\n',
      'class/hwmon/hwmon0/temp1_crit': '100000\n',
      'class/hwmon/hwmon0/temp1_label': 'Package id 0\n',
    },
    ['TEMPERATURE coretemp Package id 0: 100 degrees Celsius, of 100 at most'],
  ],
  ['a sensor without a limit', { 'class/hwmon/hwmon0/temp1_input': '900000' }, []],
  [
    'a sensor that reads nonsense',
    { 'class/hwmon/hwmon0/temp1_input': 'x', 'class/hwmon/hwmon0/temp1_max': '1' },
    [],
  ],
  [
    'flash that is fresh',
    { 'block/mmcblk0/device/life_time': '0x01 0x02', 'block/mmcblk0/device/pre_eol_info': '0x01' },
    [],
  ],
  [
    'flash that is worn',
    { 'block/mmcblk0/device/life_time': '0x03 0x0a' },
    ['DISK_WORN mmcblk0: about 100 % of its life time is used'],
  ],
  ['an array that is whole', { 'block/md0/md/degraded': '0' }, []],
  [
    'an array that lacks a disk',
    { 'block/md0/md/degraded': '1' },
    ['DISK_WORN md0: 1 disks of the array are missing'],
  ],
  [
    'a controller that has died',
    { 'class/nvme/nvme0/state': 'dead' },
    ['DISK_WORN nvme0: its controller is dead'],
  ],
] as const) {
  test(`the hardware says what is wrong: ${title}`, (t) => {
    using folder = tempFolder('hardware')
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder.path, file)), { recursive: true })
      writeFileSync(join(folder.path, file), text)
    }
    const found = hardwareTroubles(folder.path).map(({ code, key, reason }) => `${code} ${key}: ${reason}`)
    t.deepEqual(found, expected)
  })
}

test('a machine that shows nothing has nothing wrong', (t) => {
  t.deepEqual(hardwareTroubles('/nowhere'), [])
})
