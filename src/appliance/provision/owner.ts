import type { Owner } from './made-files.ts'

/** The numbers of a user in the text of passwd(5); undefined where it is not there. */
export function ownerOf(passwd: string, user: string): Owner | undefined {
  for (const line of passwd.split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (name === user && /^\d+$/.test(uid ?? '') && /^\d+$/.test(gid ?? ''))
      return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}
