/** What an operator wants cannot be done, for the reason that the message says. */
export class CommandError extends Error {}
