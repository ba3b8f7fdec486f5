import { parseArgs, type ParseArgsConfig } from 'node:util'

/** One word after `evertoken`. */
export interface Command {
  /** What it does, in a line of the help. */
  readonly summary: string
  /** What stands behind its name in the usage line. */
  readonly usage?: string
  /** Its own help, beneath its usage line. */
  readonly help: string
  /** Resolves with the exit code. */
  run(args: readonly string[]): number | Promise<number>
}

/** A call that says something the command does not know; ends with exit code 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values']

/**
 * The options of a command that takes nothing else.
 *
 * @throws UsageError naming what is not known.
 */
export function optionsOf<T extends Options>(name: string, args: readonly string[], options: T): Values<T> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values as Values<T>
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new UsageError(`${name}: ${reason}`)
  }
}
