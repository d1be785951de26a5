import type { Dialogue } from './dialogue.ts'

/** Dialogues about accounts, aliases and lists. */
export const RECIPIENT_DIALOGUES: readonly Dialogue[] = [
  {
    title: 'a new account has what Zimbra writes, and its password is shown to nobody',
    text: `
> cd one.test
<id>
> createAccount Ann@One.Test secret1 displayName 'Ann "A" One' zimbraNotes ""
<id>
> ga ann@one.test
# name ann@one.test
cn: Ann "A" One
displayName: Ann "A" One
mail: ann@one.test
objectClass: …
sn: ann
uid: ann
userPassword: VALUE-BLOCKED
zimbraAccountStatus: active
zimbraCreateTimestamp: <time>
zimbraId: <id>
zimbraMailDeliveryAddress: ann@one.test
zimbraMailStatus: enabled
zimbraPasswordModifiedTime: <time>
> GETACCOUNT ANN@one.test uid zimbraMailStatus
# name ann@one.test
uid: ann
zimbraMailStatus: enabled
> gaa one.test
ann@one.test
> ca ann@one.test secret1
! account.ACCOUNT_EXISTS (email address already exists: ann@one.test)
> ca bob@one.test abc
! account.INVALID_PASSWORD (invalid password: too short: 3 characters, 6 are the least)
> ca bob@nowhere.test secret1
! account.NO_SUCH_DOMAIN (no such domain: nowhere.test)
> ca bob secret1
! service.INVALID_REQUEST (must be valid email address: bob)
> ca bob@one.test '' zimbraMailAlias x@one.test
! service.INVALID_REQUEST (zimbraMailAlias is immutable: use addAccountAlias, removeAccountAlias or their forms for lists)
> ga bob@one.test
! account.NO_SUCH_ACCOUNT (no such account: bob@one.test)
`,
  },
  {
    title: 'values are set, added, taken away and cleared, several in one command',
    text: `
> cd two.test
<id>
> ca ann@two.test ''
<id>
> ma ann@two.test description one +zimbraMailForwardingAddress a@x.test +zimbraMailForwardingAddress b@x.test
> ga ann@two.test description zimbraMailForwardingAddress
# name ann@two.test
description: one
zimbraMailForwardingAddress: a@x.test
zimbraMailForwardingAddress: b@x.test
> ma ann@two.test -zimbraMailForwardingAddress A@x.test -zimbraMailForwardingAddress gone@x.test +zimbraMailForwardingAddress b@x.test
> ga ann@two.test zimbraMailForwardingAddress
# name ann@two.test
zimbraMailForwardingAddress: b@x.test
> ma ann@two.test zimbraMailForwardingAddress c@x.test zimbraMailForwardingAddress d@x.test description ''
> ga ann@two.test description zimbraMailForwardingAddress
# name ann@two.test
zimbraMailForwardingAddress: c@x.test
zimbraMailForwardingAddress: d@x.test
> ga ann@two.test zimbraMailForwardingAddress=d@x.test
# name ann@two.test
zimbraMailForwardingAddress: d@x.test
> ma ann@two.test zimbraMailForwardingAddress ''
> ga ann@two.test zimbraMailForwardingAddress
# name ann@two.test
> ma ann@two.test zimbraMailCanonicalAddress a@two.test zimbraMailCanonicalAddress b@two.test
! account.INVALID_ATTR_VALUE (zimbraMailCanonicalAddress may have one value only)
> ma ann@two.test zimbraMailCanonicalAddress a@two.test
> ma ann@two.test +zimbraMailCanonicalAddress b@two.test
! account.INVALID_ATTR_VALUE (zimbraMailCanonicalAddress may have one value only, and it is a@two.test now)
> ma ann@two.test zimbraMailStatus perhaps
! account.INVALID_ATTR_VALUE (zimbraMailStatus must be one of enabled, disabled: perhaps)
> ma ann@two.test zimbraMailForwardingAddress 'no address'
! account.INVALID_ATTR_VALUE (zimbraMailForwardingAddress must be an address such as user@example.com: no address)
> ma ann@two.test zimbraMtaMyNetworks 10.0.0.0/8
! account.INVALID_ATTR_NAME (invalid attr name: zimbraMtaMyNetworks may not stand in account, only in globalConfig, server)
> ma ann@two.test zimbraMailForwardingAdress a@x.test
! account.INVALID_ATTR_NAME (…is zimbraMailForwardingAddress meant?)
> ma ann@two.test zimbraId x
! service.INVALID_REQUEST (zimbraId is immutable)
> ma ann@two.test description
! usage
`,
  },
  {
    title: 'an account that is closed takes no mail and leaves its lists; one that is opened takes it again',
    text: `
> cd three.test
<id>
> ca ann@three.test ''
<id>
> cdl all@three.test
<id>
> adlm all@three.test ann@three.test
> ma ann@three.test zimbraAccountStatus closed
> ga ann@three.test zimbraAccountStatus zimbraMailStatus
# name ann@three.test
zimbraAccountStatus: closed
zimbraMailStatus: disabled
> gdlm all@three.test
# distributionList all@three.test memberCount=0

members
> ma ann@three.test zimbraAccountStatus active
> ga ann@three.test zimbraMailStatus
# name ann@three.test
zimbraMailStatus: enabled
> ma ann@three.test zimbraAccountStatus ''
! service.INVALID_REQUEST (zimbraAccountStatus is a required attribute)
> ma ann@three.test zimbraAccountStatus open
! account.INVALID_ATTR_VALUE (zimbraAccountStatus must be one of …closed…: open)
> md three.test zimbraDomainStatus closed
> gd -e three.test zimbraDomainStatus zimbraMailStatus
# name three.test
zimbraDomainStatus: closed
zimbraMailStatus: disabled
`,
  },
  {
    title: 'aliases belong to one entry, and are found by their names',
    text: `
> cd four.test
<id>
> ca ann@four.test ''
<id>
> ca bob@four.test ''
<id>
> aaa ann@four.test Annie@four.test
> ga annie@four.test mail zimbraMailAlias
# name ann@four.test
mail: ann@four.test
mail: annie@four.test
zimbraMailAlias: annie@four.test
> aaa bob@four.test annie@four.test
! account.ACCOUNT_EXISTS (email address already exists: annie@four.test, at DN: uid=annie,ou=people,dc=four,dc=test)
> ca annie@four.test ''
! account.ACCOUNT_EXISTS (email address already exists: annie@four.test)
> aaa bob@four.test x@unknown.test
! account.NO_SUCH_DOMAIN (no such domain: unknown.test)
> raa bob@four.test annie@four.test
! account.NO_SUCH_ALIAS (no such alias: annie@four.test)
> raa ann@four.test annie@four.test
> ga annie@four.test
! account.NO_SUCH_ACCOUNT (no such account: annie@four.test)
> aaa bob@four.test annie@four.test
> ga annie@four.test uid
# name bob@four.test
uid: bob
> da bob@four.test
> ca annie@four.test ''
<id>
`,
  },
  {
    title: 'lists have members, aliases and a name of their own',
    text: `
> cd five.test
<id>
> ca ann@five.test ''
<id>
> aaa ann@five.test a@five.test
> cdl staff@five.test displayName Staff
<id>
> adlm staff@five.test ann@five.test out@elsewhere.test ANN@five.test
> gdl staff@five.test mail zimbraMailAlias zimbraMailStatus zimbraMailForwardingAddress
# distributionList staff@five.test memberCount=2
mail: staff@five.test
zimbraMailAlias: staff@five.test
zimbraMailForwardingAddress: ann@five.test
zimbraMailForwardingAddress: out@elsewhere.test
zimbraMailStatus: enabled

members
ann@five.test
out@elsewhere.test
> cdl all@five.test
<id>
> adlm all@five.test staff@five.test
> gam ann@five.test
staff@five.test
all@five.test (via staff@five.test)
> adlm staff@five.test staff@five.test
! service.INVALID_REQUEST (Cannot add self as a member: staff@five.test)
> adlm staff@five.test nonsense
! account.INVALID_ATTR_VALUE (invalid email address: nonsense)
> rdlm staff@five.test out@elsewhere.test missing@five.test
! account.NO_SUCH_MEMBER (non-existent members: missing@five.test in distribution list: staff@five.test)
> rdlm staff@five.test a@five.test
> gdlm staff@five.test
# distributionList staff@five.test memberCount=1

members
out@elsewhere.test
> adla staff@five.test team@five.test
> gdl team@five.test zimbraMailAlias
# distributionList staff@five.test memberCount=1
zimbraMailAlias: staff@five.test
zimbraMailAlias: team@five.test

members
out@elsewhere.test
> rdl staff@five.test crew@five.test
> gdlm all@five.test
# distributionList all@five.test memberCount=1

members
crew@five.test
> cdl ann@five.test
! account.DISTRIBUTION_LIST_EXISTS (email address already exists: ann@five.test)
> rdla crew@five.test team@five.test
> mdl crew@five.test displayName Crew
> gdl crew@five.test displayName
# distributionList crew@five.test memberCount=1
displayName: Crew

members
out@elsewhere.test
> ddl crew@five.test
> gadl five.test
all@five.test
> gdlm all@five.test
# distributionList all@five.test memberCount=0

members
> gdl crew@five.test
! account.NO_SUCH_DISTRIBUTION_LIST (no such distribution list: crew@five.test)
`,
  },
  {
    title: 'an account that is renamed keeps what it has, in lists too',
    text: `
> cd six.test
<id>
> cd sub.six.test
<id>
> ca ann@six.test ''
<id>
> aaa ann@six.test a@six.test
> cdl all@six.test
<id>
> adlm all@six.test ann@six.test
> ra ann@six.test ann.new@sub.six.test
> ga ann.new@sub.six.test cn mail uid zimbraMailAlias zimbraMailDeliveryAddress
# name ann.new@sub.six.test
cn: ann.new
mail: ann.new@sub.six.test
mail: a@six.test
uid: ann.new
zimbraMailAlias: a@six.test
zimbraMailDeliveryAddress: ann.new@sub.six.test
> gdlm all@six.test
# distributionList all@six.test memberCount=1

members
ann.new@sub.six.test
> ga ann@six.test
! account.NO_SUCH_ACCOUNT (no such account: ann@six.test)
> ra ann.new@sub.six.test all@six.test
! account.ACCOUNT_EXISTS (email address already exists: all@six.test)
> ra ann.new@sub.six.test x@gone.test
! account.NO_SUCH_DOMAIN (no such domain: gone.test)
> gaa six.test
> gaa sub.six.test
ann.new@sub.six.test
`,
  },
]
