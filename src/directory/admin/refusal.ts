/** The codes of Zimbra's provisioning that tools and scripts look for. */
export type ProvisionCode =
  | 'account.NO_SUCH_ACCOUNT'
  | 'account.NO_SUCH_DOMAIN'
  | 'account.NO_SUCH_DISTRIBUTION_LIST'
  | 'account.NO_SUCH_SERVER'
  | 'account.NO_SUCH_ALIAS'
  | 'account.NO_SUCH_MEMBER'
  | 'account.ACCOUNT_EXISTS'
  | 'account.DOMAIN_EXISTS'
  | 'account.DISTRIBUTION_LIST_EXISTS'
  | 'account.SERVER_EXISTS'
  | 'account.DOMAIN_NOT_EMPTY'
  | 'account.INVALID_ATTR_NAME'
  | 'account.INVALID_ATTR_VALUE'
  | 'account.INVALID_PASSWORD'
  | 'account.MULTIPLE_ENTRIES_MATCHED'
  | 'service.INVALID_REQUEST'
  | 'service.PERM_DENIED'
  | 'service.FAILURE'

/** What the directory's administration does not do, as Zimbra tells it: a code and a sentence. */
export class ProvisionRefused extends Error {
  readonly code: ProvisionCode
  constructor(code: ProvisionCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export function invalidRequest(message: string): ProvisionRefused {
  return new ProvisionRefused('service.INVALID_REQUEST', message)
}
