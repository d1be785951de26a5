import { execFileSync } from 'node:child_process'
import {
  existsSync,
  openSync,
  closeSync,
  readSync,
  truncateSync,
  writeSync,
  fsyncSync,
  readFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'

/** Where the slots lie: image/disk.sh. No update moves them. */
const MIB = 1024 * 1024
export const ROOT_A_OFFSET = 513 * MIB

const ROOT_B_OFFSET = 1041 * MIB

/** The image that `make image` left, of package.json's version unless $POSTERN_IMAGE names a disk. */
export function builtImage(): string {
  const version: unknown = JSON.parse(readFileSync('package.json', 'utf8')).version
  const file = process.env['POSTERN_IMAGE'] ?? `build/image/postern-${String(version)}-amd64.raw`
  if (!existsSync(file)) throw new Error(`${file} is missing: run make image first`)
  return resolve(file)
}

/** A copy of the image in `folder`, on a disk of `gigabytes`: what is flashed once and then grows. Sparse. */
export function flashed(folder: string, image = builtImage(), gigabytes = 8): string {
  const disk = join(folder, 'disk.raw')
  execFileSync('cp', ['--sparse=always', '--reflink=auto', image, disk])
  truncateSync(disk, gigabytes * 1024 * MIB)
  return disk
}

/** What a disk has from `offset` on. */
export function readOctets(disk: string, offset: number, length: number): Buffer {
  const fd = openSync(disk, 'r')
  try {
    const octets = Buffer.alloc(length)
    readSync(fd, octets, 0, length, offset)
    return octets
  } finally {
    closeSync(fd)
  }
}

/** Changes one bit of the octet at `offset`, of a machine that is off. */
export function flipBit(disk: string, offset: number): void {
  const fd = openSync(disk, 'r+')
  try {
    const octet = Buffer.alloc(1)
    readSync(fd, octet, 0, 1, offset)
    octet[0] = (octet[0] ?? 0) ^ 1
    writeSync(fd, octet, 0, 1, offset)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Whether nothing was ever written to slot b. */
export function isSlotEmpty(disk: string): boolean {
  const fd = openSync(disk, 'r')
  try {
    const octets = Buffer.alloc(MIB)
    readSync(fd, octets, 0, MIB, ROOT_B_OFFSET)
    return octets.every((octet) => octet === 0)
  } finally {
    closeSync(fd)
  }
}
