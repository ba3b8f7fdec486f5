/** One word after `evertoken`. */
export interface Command {
  /** What it does, in a line of the help. */
  readonly summary: string
  /** Its own help, beneath its usage line. */
  readonly help: string
  /** Resolves with the exit code. */
  run(args: readonly string[]): number | Promise<number>
}

/** A call that says something the command does not know; ends with exit code 2. */
export class UsageError extends Error {}
