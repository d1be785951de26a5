// Prints the folders of the packages that Postern runs with, one a line: those of package-lock.json that are neither for
// development nor for compiling the addons, and that are here (of the packages of Node only one is).
import { existsSync, readFileSync } from 'node:fs'

/** Needed by node-gyp alone: its headers are in the addons by now. */
const COMPILES = new Set(['node_modules/node-addon-api'])

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
const found = Object.entries(packages)
  .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
  .map(([path]) => path)
  .filter((path) => !COMPILES.has(path))
const present = found.filter((path) => existsSync(path))
const missing = found.filter((path) => !existsSync(path) && packages[path].optional !== true)
if (missing.length > 0) {
  console.error(`These packages are missing; run make install first: ${missing.join(' ')}`)
  process.exitCode = 1
} else {
  // A package inside of another's folder comes with it.
  const inside = (path) => present.some((other) => other !== path && path.startsWith(`${other}/`))
  console.log(present.filter((path) => !inside(path)).join('\n'))
}
