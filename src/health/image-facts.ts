import { isRecord } from '#src/net/frames.ts'

/** What the appliance image tells of itself (the command `slots` in admin/image-commands.ts). */
export interface ImageFacts {
  readonly slot: 'a' | 'b' | ''
  /** Of the image that runs. */
  readonly version: string
  /** How often a release that is on trial may still be started; undefined where it is kept. */
  readonly triesLeft: number | undefined
  /** The release that was left last, and why. */
  readonly fallback: { readonly version: string; readonly reason: string; readonly atMs: number } | undefined
}

/** Reads the helper's answer; what is missing in it is empty. Pure. */
export function readImage(answer: Readonly<Record<string, unknown>>): ImageFacts {
  const { slot, version, triesLeft, fallback } = answer
  return {
    slot: slot === 'a' || slot === 'b' ? slot : '',
    version: typeof version === 'string' ? version : '',
    triesLeft: typeof triesLeft === 'number' ? triesLeft : undefined,
    fallback: isRecord(fallback)
      ? {
          version: typeof fallback['version'] === 'string' ? fallback['version'] : '',
          reason: typeof fallback['reason'] === 'string' ? fallback['reason'] : '',
          atMs: typeof fallback['atMs'] === 'number' ? fallback['atMs'] : 0,
        }
      : undefined,
  }
}
