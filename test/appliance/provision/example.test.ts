import { readFileSync } from 'node:fs'
import test from 'ava'
import { render } from '#src/appliance/provision/render.ts'
import { SECTIONS } from '#src/appliance/provision/settings.ts'
import { CA, settingsIn, wrongs } from './support.ts'

const PAGE = readFileSync('docs/first-boot.md', 'utf8')
const [, EXAMPLE = ''] = /```toml\n([\s\S]*?)```/.exec(PAGE) ?? []

test('the example of the page is right, says something in every section, and makes settings', async (t) => {
  t.deepEqual(await wrongs(EXAMPLE, { 'ldap-ca.pem': CA }), [])
  const settings = await settingsIn(EXAMPLE, { 'ldap-ca.pem': CA })
  t.deepEqual(
    SECTIONS.filter((section) => !EXAMPLE.includes(`\n[${section}`) && !EXAMPLE.startsWith(`[${section}`)),
    [],
  )
  t.is(settings.ldap?.urls.length, 2)
  t.true(render(settings, true).length > 10)
})

test('what stands in the example as a comment is right as well', async (t) => {
  const whole = EXAMPLE.replace('# community', 'community').replace('# keys', '# no keys')
  t.deepEqual(await wrongs(whole, { 'ldap-ca.pem': CA }), [])
})

test('the page tells a mistake as it is told', async (t) => {
  const [, told = ''] = /postern\.provision:12: (.*)\.$/m.exec(PAGE) ?? []
  const wrong = EXAMPLE.replace('"192.0.2.1", "fe80::1"', '"192.0.3.1"')
  const [first = ''] = await wrongs(wrong, { 'ldap-ca.pem': CA })
  t.is(first.replace(/^postern\.provision:\d+: /, ''), told)
})
