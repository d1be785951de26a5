type Tool = (args: readonly string[]) => Promise<number>

/** The commands that have names of their own: bin/ has a link for each. Loaded when called. */
export const TOOLS: ReadonlyMap<string, () => Promise<Tool>> = new Map([
  ['postconf', async () => (await import('./postconf.ts')).postconf],
  ['newaliases', async () => (await import('./sendmail.ts')).newaliases],
  ['mailq', async () => (await import('./postqueue.ts')).mailqTool],
  ['postqueue', async () => (await import('./postqueue.ts')).postqueue],
  ['postsuper', async () => (await import('./postsuper.ts')).postsuper],
  ['postcat', async () => (await import('./postcat.ts')).postcat],
  ['postmap', async () => (await import('./postmap.ts')).postmap],
  ['qshape', async () => (await import('./qshape.ts')).qshape],
  ['sendmail', async () => (await import('./sendmail.ts')).sendmail],
  ['zmcontrol', async () => (await import('./zmcontrol.ts')).zmcontrol],
  ['zmmtactl', async () => (await import('./zmmtactl.ts')).zmmtactl],
  ['zmprov', async () => (await import('./zmprov.ts')).zmprov],
  ['zmqstat', async () => (await import('./zmqstat.ts')).zmqstat],
  ['zmqueuelog', async () => (await import('./zmqueuelog.ts')).zmqueuelog],
  ['zmstat-mtaqueue', async () => (await import('./zmstat-mtaqueue.ts')).zmstatMtaqueue],
  ['zmlocalconfig', async () => (await import('./zmlocalconfig.ts')).zmlocalconfig],
  ['zmqaction', async () => (await import('./zmqaction.ts')).zmqaction],
  ['zmmsgtrace', async () => (await import('./zmmsgtrace.ts')).zmmsgtrace],
  ['zmrcd', async () => (await import('./zmrcd.ts')).zmrcd],
])
