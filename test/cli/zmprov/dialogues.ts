import type { Dialogue } from './dialogue.ts'
import { RECIPIENT_DIALOGUES } from './dialogues-recipients.ts'

/** What holds for the embedded directory and over LDAP alike. Each has domains of its own. */
export const DIALOGUES: readonly Dialogue[] = [
  ...RECIPIENT_DIALOGUES,
  {
    title: 'a domain goes when it is empty, its alias domains with it',
    text: `
> cd seven.test
<id>
> cd SEVEN.test
! account.DOMAIN_EXISTS (domain already exists: seven.test)
> cd a..b
! service.INVALID_REQUEST (invalid domain name a..b)
> cd sub.seven.test zimbraDomainStatus suspended
<id>
> cad alias.test seven.test
<id>
> gd alias.test zimbraDomainType zimbraMailCatchAllAddress zimbraMailCatchAllForwardingAddress
# name alias.test
zimbraDomainType: alias
zimbraMailCatchAllAddress: @alias.test
zimbraMailCatchAllForwardingAddress: @seven.test
> ca x@alias.test ''
! service.INVALID_REQUEST (domain type must be local)
> cad more.test alias.test
! service.INVALID_REQUEST (target domain must be a local domain)
> md seven.test zimbraDomainType alias
! service.INVALID_REQUEST (zimbraDomainType is immutable)
> ca ann@seven.test ''
<id>
> dd seven.test
! account.DOMAIN_NOT_EMPTY (domain not empty: seven.test)
> da ann@seven.test
> dd seven.test
> gd seven.test
! account.NO_SUCH_DOMAIN (no such domain: seven.test)
> gd alias.test
! account.NO_SUCH_DOMAIN (no such domain: alias.test)
> gd sub.seven.test zimbraDomainName zimbraDomainStatus
# name sub.seven.test
zimbraDomainName: sub.seven.test
zimbraDomainStatus: suspended
> cd seven.test
<id>
> gd seven.test zimbraDomainName
# name seven.test
zimbraDomainName: seven.test
`,
  },
  {
    title: 'settings of all servers and of one are changed, and a server inherits what it does not say',
    text: `
> mcf zimbraMtaMaxMessageSize 20000000 zimbraMtaBlockedExtension exe +zimbraMtaBlockedExtension bat
> gacf zimbraMtaMaxMessageSize zimbraMtaBlockedExtension
zimbraMtaBlockedExtension: exe
zimbraMtaBlockedExtension: bat
zimbraMtaMaxMessageSize: 20000000
> mcf -zimbraMtaBlockedExtension exe +zimbraMtaBlockedExtension vbs
> gcf zimbraMtaBlockedExtension
zimbraMtaBlockedExtension: bat
zimbraMtaBlockedExtension: vbs
> gcf zimbraMtaMaximalQueueLifetime
zimbraMtaMaximalQueueLifetime: 5d
> cs mx8.test zimbraServiceEnabled mta
<id>
> cs mx8.test
! account.SERVER_EXISTS (server already exists: mx8.test)
> mcf zimbraMtaTlsAuthOnly FALSE
> gs mx8.test zimbraMtaTlsAuthOnly zimbraServiceHostname
# name mx8.test
zimbraMtaTlsAuthOnly: FALSE
zimbraServiceHostname: mx8.test
> ms mx8.test zimbraMtaMyNetworks '10.0.0.0/8 127.0.0.0/8'
> gs mx8.test zimbraMtaMyNetworks
# name mx8.test
zimbraMtaMyNetworks: 10.0.0.0/8 127.0.0.0/8
> gs -e mx8.test zimbraMtaTlsAuthOnly zimbraMtaMyNetworks
# name mx8.test
zimbraMtaMyNetworks: 10.0.0.0/8 127.0.0.0/8
> gas
mx8.test
> gas mta
mx8.test
> gas mailbox
> ms mx8.test zimbraMtaMaxMessageSize 5
! account.INVALID_ATTR_NAME (…zimbraMtaMaxMessageSize may not stand in server, only in globalConfig)
> mcf zimbraMtaMaxMessageSize lots
! account.INVALID_ATTR_VALUE (zimbraMtaMaxMessageSize must be …: lots)
> mcf zimbraMtaMaxMessageSize ''
> gacf -e zimbraMtaMaxMessageSize
> gs nobody.test
! account.NO_SUCH_SERVER (no such server: nobody.test)
> ds mx8.test
> gas
`,
  },
  {
    title: 'an account lies where its server says',
    text: `
> cd nine.test
<id>
> cs store9.test zimbraServiceEnabled mailbox zimbraLmtpBindPort 24
<id>
> ca ann@nine.test ''
<id>
> ga ann@nine.test zimbraMailHost zimbraMailTransport
# name ann@nine.test
zimbraMailHost: store9.test
zimbraMailTransport: lmtp:store9.test:24
> cs other9.test zimbraServiceEnabled mailbox
<id>
> ma ann@nine.test zimbraMailHost other9.test
> ga ann@nine.test zimbraMailTransport
# name ann@nine.test
zimbraMailTransport: lmtp:other9.test:7025
> ma ann@nine.test zimbraMailHost nowhere.test
! service.INVALID_REQUEST (specified zimbraMailHost does not correspond to a valid server service hostname: nowhere.test)
> ma ann@nine.test zimbraMailHost store9.test zimbraMailTransport lmtp:x:1
! service.INVALID_REQUEST (setting both zimbraMailHost and zimbraMailTransport in the same request is not allowed)
> ca bob@nine.test '' zimbraMailTransport smtp:relay.nine.test
<id>
> ga bob@nine.test zimbraMailHost zimbraMailTransport
# name bob@nine.test
zimbraMailTransport: smtp:relay.nine.test
> ds store9.test
> ds other9.test
`,
  },
  {
    title: 'names that look like syntax of LDAP are names',
    text: `
> cd ten.test
<id>
> ca '"o,u=x"@ten.test' ''
<id>
> ca 'o,u=x@ten.test' ''
! service.INVALID_REQUEST (must be valid email address: o,u=x@ten.test)
> ca '"a b+c"@ten.test' ''
<id>
> ga '"o,u=x"@ten.test' uid
# name "o,u=x"@ten.test
uid: o,u=x
> gaa ten.test
"o,u=x"@ten.test
"a b+c"@ten.test
> ga *@ten.test
! account.NO_SUCH_ACCOUNT (no such account: *@ten.test)
> ga ')(uid=*@ten.test'
! account.NO_SUCH_ACCOUNT (no such account: )(uid=*@ten.test)
> gd '*)(objectClass=*'
! account.NO_SUCH_DOMAIN (no such domain: *)(objectClass=*)
> da '"a b+c"@ten.test'
> gaa ten.test
"o,u=x"@ten.test
`,
  },
  {
    title: 'filters of LDAP find accounts, aliases and lists',
    text: `
> cd eleven.test
<id>
> cd twelve.test
<id>
> ca ann@eleven.test '' displayName 'Ann (A*)' zimbraMailQuota 100
<id>
> ca bob@eleven.test '' displayName 'Bob B' zimbraMailStatus disabled zimbraMailQuota 20
<id>
> ca eve@twelve.test '' displayName 'Eve'
<id>
> cdl all@eleven.test displayName Everybody
<id>
> sa zimbraMailStatus=disabled
bob@eleven.test
> sa '(&(objectClass=zimbraAccount)(!(zimbraMailStatus=disabled)))'
ann@eleven.test
eve@twelve.test
> sa displayName=*e* sortAscending 0
eve@twelve.test
all@eleven.test
> sa '(displayName=Ann \\\\28A\\\\2a\\\\29)'
ann@eleven.test
> sa '(|(uid=ann)(uid=bob)(uid=all))' limit 1 offset 1
ann@eleven.test
> sa objectClass=* domain eleven.test types distributionlists
all@eleven.test
> sa uid=* domain twelve.test
eve@twelve.test
> sa mail=b*@eleven.test
bob@eleven.test
> sa '(uid=ann'
! service.INVALID_REQUEST (not a filter of LDAP: (uid=ann…)
> sa uid=ann limit many
! service.INVALID_REQUEST (many is no number)
> sa uid=ann types gizmos
! service.INVALID_REQUEST (no such type: gizmos…)
`,
  },
  {
    title:
      'a domain in U-labels is kept in A-labels and found by both, and users of an alias domain are those of its target',
    text: `
> cd bücher13.test
<id>
> gd BÜCHER13.test zimbraDomainName
# name xn--bcher13-n2a.test
zimbraDomainName: xn--bcher13-n2a.test
> ca fritz@bücher13.test ''
<id>
> ga fritz@xn--bcher13-n2a.test zimbraMailDeliveryAddress
# name fritz@xn--bcher13-n2a.test
zimbraMailDeliveryAddress: fritz@xn--bcher13-n2a.test
> cad books13.test bücher13.test
<id>
> ga fritz@books13.test uid
# name fritz@xn--bcher13-n2a.test
uid: fritz
> ga nobody@books13.test
! account.NO_SUCH_ACCOUNT (no such account: nobody@books13.test)
> gaa bücher13.test
fritz@xn--bcher13-n2a.test
> mcf zimbraDefaultDomainName books13.test
> ga fritz uid
# name fritz@xn--bcher13-n2a.test
uid: fritz
`,
  },
  {
    title: 'all of a kind are listed with what they have, and -e leaves out what is inherited',
    text: `
> cs mx14.test zimbraServiceEnabled mta zimbraMtaTlsAuthOnly FALSE
<id>
> cd verbose14.test
<id>
> ca ann@verbose14.test '' zimbraMailTransport lmtp:a14.test:24
<id>
> cdl all@verbose14.test zimbraMailForwardingAddress ann@verbose14.test
<id>
> gas -v -e
# name mx14.test
cn: mx14.test
objectClass: zimbraServer
zimbraCreateTimestamp: <time>
zimbraId: <id>
zimbraMtaTlsAuthOnly: FALSE
zimbraServiceEnabled: mta
zimbraServiceHostname: mx14.test
> gas -v
# name mx14.test
…
zimbraMtaTlsAuthOnly: FALSE
…
> gad -v -e zimbraDomainName zimbraDomainStatus
# name verbose14.test
zimbraDomainName: verbose14.test
zimbraDomainStatus: active
> gad -e
! usage
> gaa -e verbose14.test
! usage
> gaa verbose14.test other.test
! usage
> gaa other14.test
! account.NO_SUCH_DOMAIN (no such domain: other14.test)
> gaa -v verbose14.test
# name ann@verbose14.test
…
zimbraMailTransport: lmtp:a14.test:24
…
> gaa -s store14.test verbose14.test
> gadl -v verbose14.test
# distributionList all@verbose14.test memberCount=1
…

members
ann@verbose14.test
> gam -i ann@verbose14.test
<id>
> sa -v uid=ann domain verbose14.test
# name ann@verbose14.test
…
> ga -e ann@verbose14.test uid=ann cn=other
# name ann@verbose14.test
uid: ann
> ga ann@verbose14.test uid=
! service.INVALID_REQUEST (missing value for uid=)
> desc -ni server
…
> desc -v distributionlist
…
zimbraMailForwardingAddress
    Members of a list, and where an account sends its mail on to.
…
> desc account domain
! usage
> desc -ni
! usage
> cs 'not a host'
! service.INVALID_REQUEST (must be the host name of a server: not a host)
> ds mx14.test
> ds mx14.test
! account.NO_SUCH_SERVER (no such server: mx14.test)
`,
  },
]
