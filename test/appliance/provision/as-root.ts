import { systemClock } from '#src/base/clock.ts'
import { Maker } from '#src/appliance/provision/maker.ts'

/**
 * as-root.ts ROOT UID GID: makes everything below ROOT as the appliance does, with a user of its own; prints what did not
 * work. In a process of its own, since for a moment it is that user.
 */
const [root = '', uid, gid] = process.argv.slice(2)
// That of the unit.
process.umask(0o077)
const maker = new Maker({
  root,
  clock: systemClock,
  owner: { uid: Number(uid), gid: Number(gid) },
  attend: () => Promise.resolve([]),
})
process.stdout.write(JSON.stringify(await maker.make('start')))
