import { parseArgs, type ParseArgsConfig } from 'node:util'

/** A command of `evertoken`. */
export interface Command {
  /** What it does, for the list of commands. */
  readonly summary: string
  /** What follows its name in the usage line. */
  readonly usage?: string
  /** Its help, below its usage line. */
  readonly help: string
  /** Resolves with the exit code. */
  run(args: readonly string[]): number | Promise<number>
}

/** A call with an unknown command, option or argument; ends with exit code 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values']

/**
 * The options of a command without other arguments.
 *
 * @throws UsageError naming the unknown option or argument.
 */
export function optionsOf<T extends Options>(name: string, args: readonly string[], options: T): Values<T> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values as Values<T>
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new UsageError(`${name}: ${reason}`)
  }
}
