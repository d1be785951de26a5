import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Where the EFI partition lies: image/disk.sh. */
const ESP_OFFSET = 1024 * 1024
const STICK_KIB = 16_384

/** Writes files into an existing folder of the EFI partition of a machine that is off; by names in it. */
export function writeOnEsp(disk: string, folder: string, files: Readonly<Record<string, string>>): void {
  copyInto(`${disk}@@${ESP_OFFSET}`, folder, files)
}

/** A USB stick, `name`.img: FAT with the label that the appliance looks for, and these files in its uppermost folder. */
export function stickWith(folder: string, name: string, files: Readonly<Record<string, string>>): string {
  const stick = join(folder, `${name}.img`)
  execFileSync('mkfs.vfat', ['-n', 'POSTERN', '-C', stick, String(STICK_KIB)], { stdio: 'pipe' })
  copyInto(stick, '', files)
  return stick
}

/** The same with one large file. */
export function stickWithFile(folder: string, name: string, file: string): string {
  const stick = join(folder, `${name}.img`)
  const kib = STICK_KIB + Math.ceil(statSync(file).size / 1024)
  execFileSync('mkfs.vfat', ['-n', 'POSTERN', '-C', stick, String(kib)], { stdio: 'pipe' })
  execFileSync('mcopy', ['-i', stick, file, `::/${name}`], { stdio: 'pipe' })
  return stick
}

/** Kernels on the EFI partition, which may be mounted by the machine: what it has flushed. */
export function espEntries(disk: string): readonly string[] {
  const listed = execFileSync('mdir', ['-b', '-i', `${disk}@@${ESP_OFFSET}`, '::/EFI/Linux'], {
    stdio: 'pipe',
  })
  return listed
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => basename(line.trim()))
    .toSorted()
}

function copyInto(image: string, folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files))
    execFileSync('mcopy', ['-o', '-i', image, '-', `::${folder}/${name}`], { input: text, stdio: 'pipe' })
}
