/** Values that several attributes have. */
export const YES_NO = ['yes', 'no'] as const
export const ACTIONS = ['ignore', 'enforce', 'drop'] as const
export const CIPHER_GRADES = ['export', 'low', 'medium', 'high', 'null'] as const
export const SASL_OPTIONS = ['noplaintext', 'noactive', 'nodictionary', 'noanonymous', 'mutual_auth'] as const
export const TLS_LEVELS = [
  'none',
  'may',
  'encrypt',
  'dane',
  'dane-only',
  'fingerprint',
  'verify',
  'secure',
] as const

/** `@example.com`, with Zimbra's own pattern. */
export const AT_DOMAIN = /^@[A-Za-z0-9-.]+$/
