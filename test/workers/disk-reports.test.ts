import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { reportedTroubles } from '#src/workers/disk-reports.ts'
import { tempFolder } from '#test/support/temp.ts'

const passed = { smart_status: { passed: true } }
const nvme = (log: object) => ({
  ...passed,
  device: { name: '/dev/nvme0n1', type: 'nvme', protocol: 'NVMe' },
  nvme_smart_health_information_log: {
    critical_warning: 0,
    available_spare: 100,
    percentage_used: 3,
    ...log,
  },
})
const ata = (...table: readonly object[]) => ({ ...passed, ata_smart_attributes: { revision: 1, table } })
const attribute = (id: number, name: string, value: number, raw = 0) => ({
  id,
  name,
  value,
  worst: value,
  thresh: 0,
  when_failed: '',
  raw: { value: raw, string: String(raw) },
})
const statistics = (value: number) => ({
  ...passed,
  ata_device_statistics: {
    pages: [
      { number: 1, table: [{ name: 'Percentage Used Endurance Indicator', value: 99 }] },
      {
        number: 7,
        name: 'Solid State Device Statistics',
        table: [{ offset: 8, name: 'Percentage Used Endurance Indicator', value, size: 1 }],
      },
    ],
  },
})

for (const [what, report, expected] of [
  ['an NVMe drive that is well', nvme({}), undefined],
  ['an NVMe drive that is worn', nvme({ percentage_used: 104 }), 'about 104 % of its life time is used'],
  ['an NVMe drive just before', nvme({ percentage_used: 89 }), undefined],
  ['an NVMe drive without spare blocks', nvme({ critical_warning: 1 }), 'its spare blocks are used up'],
  ['an NVMe drive that is hot', nvme({ critical_warning: 2 }), undefined],
  ['an NVMe drive that cannot be written', nvme({ critical_warning: 10 }), 'it can only be read any more'],
  [
    'a disk whose own test says so',
    { ...ata(attribute(5, 'Reallocated_Sector_Ct', 1)), smart_status: { passed: false } },
    'its own test says that it fails',
  ],
  ['an SSD that is well', ata(attribute(177, 'Wear_Leveling_Count', 99)), undefined],
  [
    'an SSD that is worn',
    ata(attribute(177, 'Wear_Leveling_Count', 7)),
    'about 93 % of its life time is used',
  ],
  [
    'another maker’s',
    ata(attribute(233, 'Media_Wearout_Indicator', 2)),
    'about 98 % of its life time is used',
  ],
  [
    'a third maker’s',
    ata(attribute(202, 'Percent_Lifetime_Remain', 10)),
    'about 90 % of its life time is used',
  ],
  ['a number that is something else', ata(attribute(233, 'Lifetime_Wts_To_Flsh_GB', 0, 99)), undefined],
  ['an SSD that counts nothing', ata(attribute(231, 'SSD_Life_Left', 0)), undefined],
  ['an SSD that tells it by the standard', statistics(95), 'about 95 % of its life time is used'],
  ['one that is well by the standard', statistics(12), undefined],
  [
    'a newer smartctl',
    { ...passed, endurance_used: { current_percent: 91 } },
    'about 91 % of its life time is used',
  ],
  [
    'an SAS drive',
    { ...passed, scsi_percentage_used_endurance_indicator: 97 },
    'about 97 % of its life time is used',
  ],
  [
    'a disk with bad sectors',
    ata(attribute(197, 'Current_Pending_Sector', 100, 8)),
    '8 of its sectors cannot be read',
  ],
  [
    'a disk that packs numbers together',
    ata(attribute(198, 'Offline_Uncorrectable', 100, 2 ** 40)),
    undefined,
  ],
  ['a disk that tells nothing', { smartctl: { exit_status: 2 } }, undefined],
  [
    'nonsense',
    { smart_status: 7, ata_smart_attributes: { table: [3, null] }, endurance_used: [] },
    undefined,
  ],
] as const) {
  test(`what smartctl says of a disk is understood: ${what}`, (t) => {
    using folder = tempFolder('disk-reports')
    writeFileSync(join(folder.path, 'sda.json'), JSON.stringify(report))
    const found = reportedTroubles(folder.path)
    t.deepEqual(found, expected === undefined ? [] : [{ code: 'DISK_WORN', key: 'sda', reason: expected }])
  })
}

test('an answer that is not whole, too large or under a name that is none says nothing', (t) => {
  using folder = tempFolder('disk-reports')
  const failing = JSON.stringify({ smart_status: { passed: false } })
  writeFileSync(join(folder.path, 'sda.new'), failing)
  writeFileSync(join(folder.path, 'sd\nb.json'), failing)
  writeFileSync(join(folder.path, 'sdc.json'), failing.slice(1))
  writeFileSync(join(folder.path, 'sdd.json'), failing + ' '.repeat(300_000))
  writeFileSync(join(folder.path, 'sde.json'), '')
  t.deepEqual(reportedTroubles(folder.path), [])
  t.deepEqual(reportedTroubles('/nowhere'), [])
  writeFileSync(join(folder.path, 'sdf.json'), failing)
  t.is(reportedTroubles(folder.path).length, 1)
})
