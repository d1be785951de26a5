import type { ExecutionContext } from 'ava'

/** Tells beside the test how long it took. Nothing is asserted about it: machines differ. */
export async function minutes<T>(t: ExecutionContext, what: string, work: Promise<T>): Promise<T> {
  const began = performance.now()
  const done = await work
  t.log(`${((performance.now() - began) / 60_000).toFixed(2)} min: ${what}`)
  return done
}
