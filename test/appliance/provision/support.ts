import type { Document, Reading } from '#src/appliance/provision/document.ts'
import { readGiven } from '#src/appliance/provision/document.ts'
import type { Settings } from '#src/appliance/provision/settings.ts'
import { problemText } from '#src/config/reader.ts'

/** Reads a file as if it came from a source with these files beside it. */
export async function reading(
  text: string,
  options: { readonly before?: Document; readonly beside?: Readonly<Record<string, string>> } = {},
): Promise<Reading> {
  const { before = {}, beside = {} } = options
  return await readGiven({ name: 'postern.provision', text, beside: (name) => beside[name] }, before)
}

/** The problems of a file as they are told; [] where it is right. */
export async function wrongs(
  text: string,
  beside: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const read = await reading(text, { beside })
  return read.kind === 'right' ? [] : read.problems.map(problemText)
}

export async function settingsIn(
  text: string,
  beside: Readonly<Record<string, string>> = {},
): Promise<Settings> {
  const read = await reading(text, { beside })
  if (read.kind === 'wrong') throw new Error(read.problems.map(problemText).join('; '))
  return read.settings
}

/** One authority, made with openssl for these tests. */
export const CA = `-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUJUIo9Mmc7Xh1hVTHzmGCkL24xbcwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRRXhhbXBsZSBBdXRob3JpdHkwIBcNMjYxMTIyMTcwNDU2WhgP
MjEyNjEwMjkxNzA0NTZaMBwxGjAYBgNVBAMMEUV4YW1wbGUgQXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHRh4xl9w9i+TZ9x5csGlZ1/zaLkvTEgb
vVTuqOVov9Dz6BJXAMIboS9vzLQJ7TcmqR2Xaxr/9BQgBdexWxHPNaNTMFEwHQYD
VR0OBBYEFDe8JeWwTS/Llr7xHiFyQY2Zpz6rMB8GA1UdIwQYMBaAFDe8JeWwTS/L
lr7xHiFyQY2Zpz6rMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
Hm2X0ZLQOUkKKanSPtLRKL++c6VZQiXDKgruF3kWwwECIQCboerkazsktgFuObtA
ZSycItTAUByBTOuLXMGgVGoBqA==
-----END CERTIFICATE-----
`
export const UPDATE_KEY = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAuYF/C6bFJRRLCJtNBnW2vSyokNdXv4B1S1o6O6bvF30=
-----END PUBLIC KEY-----
`
