import { statSync } from 'node:fs'

const SET_GROUP_ID = 0o2000

/**
 * Whether a folder is meant for two users: who has made it has given it the set-group-ID bit, so that what is made in it has
 * its group, to which the other belongs (inode(7)). Throws the system error where there is no such folder.
 */
export function isSharedFolder(folder: string): boolean {
  return (statSync(folder).mode & SET_GROUP_ID) !== 0
}
