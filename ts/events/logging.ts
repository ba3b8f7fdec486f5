import type { Logger } from '../../index'
import { logFormats, logLevels } from '../support/env-table'
import { configError } from '../support/errors'
import { describeThrown, reportRejection } from '../support/user-code'

/** The severity of a log line. */
type Level = (typeof logLevels)[number]

/** The words of pino, winston and others: an application has one `LOG_LEVEL` for all its libraries. */
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

/** Which lines the core writes or forwards, and how. */
export interface LogSettings {
  level: Level | 'silent'
  format: (typeof logFormats)[number]
  /** Whether lines go to the configured logger, as messages, instead of stderr. */
  forward: boolean
}

/**
 * The log settings of the environment: `LOG_LEVEL` and `LOG_FORMAT`. A logger has its own level, so by default it
 * receives everything but `trace`; stderr receives warnings and errors.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the variable whose value is invalid.
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

/** Passes a line to a logger. A logger that throws or rejects has no effect on callers; it is reported once. */
export function writeLine(logger: Logger, line: Line): void {
  const message = `evertoken[${line.service}] ${line.message}`
  const fields = { service: line.service, ...line.fields }
  // The finest level that all loggers have.
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

/** Emits a process warning, for what no caller can catch. */
export function warn(message: string): void {
  const text = `evertoken: ${message}`
  try {
    // Without listeners (with --no-warnings, or if the runtime prints warnings itself) no user code runs.
    if (process.listenerCount('warning') === 0) process.emitWarning(text, 'EvertokenWarning')
    // emitWarning() would emit on the next tick, where a listener that throws ends the process.
    else process.emit('warning', Object.assign(new Error(text), { name: 'EvertokenWarning' }))
  } catch {
    // The listeners before the one that threw have it; the first is Node's own, which prints.
  }
}
