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
    'a sensor whose critical limit is not set',
    {
      'class/hwmon/hwmon0/temp1_input': '90000',
      'class/hwmon/hwmon0/temp1_crit': '0',
      'class/hwmon/hwmon0/temp1_max': '85000',
    },
    ['TEMPERATURE hwmon0 temp1: 90 degrees Celsius, of 85 at most'],
  ],
  [
    'a drive that says so itself',
    {
      'class/hwmon/hwmon1/name': 'nvme',
      'class/hwmon/hwmon1/temp1_input': '80850',
      'class/hwmon/hwmon1/temp1_max': '83850',
      'class/hwmon/hwmon1/temp1_label': 'Composite',
      'class/hwmon/hwmon1/temp1_alarm': '1',
    },
    ['TEMPERATURE nvme Composite: 81 degrees Celsius, and the hardware says that this is too much'],
  ],
  ['a drive that says that it is well', { 'class/hwmon/hwmon1/temp1_alarm': '0' }, []],
  [
    'flash whose spare blocks run out',
    { 'block/mmcblk0/device/life_time': '0x01 0x02', 'block/mmcblk0/device/pre_eol_info': '0x03' },
    ['DISK_WORN mmcblk0: nearly all of its spare blocks are used up'],
  ],
  ['a file system without errors', { 'fs/ext4/vda6/errors_count': '0' }, []],
  [
    'a file system with errors',
    { 'fs/ext4/vda6/errors_count': '3' },
    ['DISK_WORN vda6: its file system met 3 errors (e2fsck mends it)'],
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
