import test from 'ava'
import { systemNames } from '#src/dns/native.ts'

test('the hosts file of the system is known', async (t) => {
  const found = await systemNames().addresses('localhost')
  t.is(found.kind, 'found')
  t.true(
    found.kind === 'found' &&
      found.addresses.some(({ address }) => address === '127.0.0.1' || address === '::1'),
  )
})

test('who does not want to wait does not', async (t) => {
  t.like(await systemNames().addresses('localhost', AbortSignal.abort()), {
    kind: 'unknown',
    status: '4.4.4',
  })
})
