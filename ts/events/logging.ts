import type { Logger } from '../../index'
import { logFormats, logLevels } from '../support/env-table'
import { configError } from '../support/errors'
import { describeThrown, reportRejection } from '../support/user-code'

/** How much a log line matters. */
type Level = (typeof logLevels)[number]

/** What pino, winston and others say in the same variable: an application has one `LOG_LEVEL` for all. */
const synonyms: Record<string, Level | 'silent'> = {
  fatal: 'error',
  critical: 'error',
  warning: 'warn',
  notice: 'info',
  http: 'info',
  verbose: 'debug',
  silly: 'trace',
  all: 'trace',
  silent: 'silent',
  off: 'silent',
  none: 'silent',
}

/** Which lines the core writes or hands over, and how. */
export interface LogSettings {
  level: Level | 'silent'
  format: (typeof logFormats)[number]
  /** Lines come here as messages, for the configured logger, instead of going to stderr. */
  forward: boolean
}

/**
 * The log settings of the environment: `LOG_LEVEL` and `LOG_FORMAT`. A logger has a level of its own, so by
 * default it is given all but the finest lines; stderr is given warnings and errors.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the variable that says something else.
 */
export function logSettings(
  logger: Logger | undefined,
  env: Record<string, string | undefined> = process.env,
): LogSettings {
  return {
    level:
      synonyms[wordOf(env, 'LOG_LEVEL')] ?? word(env, 'LOG_LEVEL', logLevels) ?? (logger ? 'debug' : 'warn'),
    format: word(env, 'LOG_FORMAT', logFormats) ?? 'text',
    forward: logger !== undefined,
  }
}

const wordOf = (env: Record<string, string | undefined>, name: string): string =>
  env[name]?.trim().toLowerCase() ?? ''

function word<T extends string>(
  env: Record<string, string | undefined>,
  name: string,
  words: readonly T[],
): T | undefined {
  const text = wordOf(env, name)
  if (text === '') return undefined
  const known = words.find((one) => one === text)
  if (known === undefined) throw configError(name, `must be one of ${words.join(', ')}`)
  return known
}

/** A log line of one service. */
export interface Line {
  service: string
  level: Level
  message: string
  fields: Record<string, unknown>
}

const faulty = new WeakSet<Logger>()

/** Hands a line to a logger. A logger that throws or rejects harms nobody; it is reported once. */
export function writeLine(logger: Logger, line: Line): void {
  const message = `evertoken[${line.service}] ${line.message}`
  const fields = { service: line.service, ...line.fields }
  // The coarsest of what loggers have in common.
  const method = line.level === 'trace' ? 'debug' : line.level
  const report = (error: unknown): void => {
    if (faulty.has(logger)) return
    faulty.add(logger)
    warn(`the configured logger failed with ${describeThrown(error)}; log lines may be missing`)
  }
  try {
    reportRejection(
      takesFieldsFirst(logger) ? logger[method](fields as never, message) : logger[method](message, fields),
      report,
    )
  } catch (error) {
    report(error)
  }
}

/** pino drops fields that come after the message; only pino has `bindings`. */
function takesFieldsFirst(logger: Logger): boolean {
  return typeof (logger as { bindings?: unknown }).bindings === 'function'
}

/** Reports what cannot be thrown at anybody, as a process warning. */
export function warn(message: string): void {
  const text = `evertoken: ${message}`
  try {
    // Without listeners (with --no-warnings, or where the runtime prints by itself) nothing of the user's runs.
    if (process.listenerCount('warning') === 0) process.emitWarning(text, 'EvertokenWarning')
    // emitWarning() would emit on the next tick, where a listener that throws ends the process.
    else process.emit('warning', Object.assign(new Error(text), { name: 'EvertokenWarning' }))
  } catch {
    // It was told to the listeners before the one that threw, of which Node's own, the one that prints, is the first.
  }
}
