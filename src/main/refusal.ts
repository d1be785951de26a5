/**
 * Master cannot start, or cannot go on, for a reason that the operator can mend. The message is one or more whole
 * sentences that name the thing and the mend; it is printed as it is.
 */
export class StartRefused extends Error {}
