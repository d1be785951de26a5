import type { AttributePair } from './attributes.ts'
import { globalConfig, server } from './lookup.ts'
import type { Provisioning } from './lookup.ts'
import { CONFIG_DN, serverDn, SERVERS_DN } from './naming.ts'
import { invalidRequest, ProvisionRefused } from './refusal.ts'
import { valueOf } from './store.ts'
import { attribute, create, ensure, modify, write } from './writing.ts'

/** Changes globalConfig; makes the entry where a directory has none yet. */
export async function modifyConfig(p: Provisioning, pairs: readonly AttributePair[]): Promise<void> {
  await p.store.together(async () => {
    const entry = await globalConfig(p)
    if (entry.attributes.length === 0) await makeConfig(p)
    await modify(p, await globalConfig(p), 'globalConfig', pairs)
  })
}

async function makeConfig(p: Provisioning): Promise<void> {
  await makeRoot(p)
  await ensure(p, {
    dn: CONFIG_DN,
    attributes: [
      ...attribute('objectClass', 'organizationalRole', 'zimbraGlobalConfig'),
      ...attribute('cn', 'config'),
    ],
  })
}

async function makeRoot(p: Provisioning): Promise<void> {
  await ensure(p, {
    dn: 'cn=zimbra',
    attributes: [...attribute('objectClass', 'organizationalRole'), ...attribute('cn', 'zimbra')],
  })
}

/** Makes a server entry, whose values stand above globalConfig's for that server. Gives its zimbraId. */
export async function createServer(
  p: Provisioning,
  given: string,
  pairs: readonly AttributePair[],
): Promise<string> {
  const name = given.trim().toLowerCase()
  if (!/^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?$/.test(name))
    throw invalidRequest(`must be the host name of a server: ${given}`)
  return await p.store.together(async () => {
    await makeRoot(p)
    await ensure(p, {
      dn: SERVERS_DN,
      attributes: [...attribute('objectClass', 'organizationalRole'), ...attribute('cn', 'servers')],
    })
    const made = await create(p, {
      kind: 'server',
      dn: serverDn(name),
      classes: ['zimbraServer'],
      own: [...attribute('cn', name), ...attribute('zimbraServiceHostname', name)],
      pairs,
    })
    if (made === undefined)
      throw new ProvisionRefused('account.SERVER_EXISTS', `server already exists: ${name}`)
    return valueOf(made, 'zimbraId') ?? ''
  })
}

export async function modifyServer(
  p: Provisioning,
  key: string,
  pairs: readonly AttributePair[],
): Promise<void> {
  await p.store.together(async () => {
    await modify(p, await server(p, key), 'server', pairs)
  })
}

export async function deleteServer(p: Provisioning, key: string): Promise<void> {
  await p.store.together(async () => {
    const entry = await server(p, key)
    await write(p.store.remove(entry.dn))
  })
}
