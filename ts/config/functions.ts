import { types } from 'node:util'
import { native } from '../binding/native'
import { configError, TokenError } from '../support/errors'
import { keepThrown } from '../support/global-state'
import type { Json } from '../support/json'
import { classifyThrown, isObject, settle } from '../support/user-code'

/** A function of the configuration. It gets one object, with an `AbortSignal` in it. */
type UserFunction = (context: never) => unknown

/** The functions of a configuration, by the dotted path of their field. */
export type UserFunctions = Map<string, UserFunction>

/** The fields that may be a function: dotted paths, with `*` for the items of a list. */
const functionFields: ReadonlySet<string> = new Set(['login'])

/** What the core gets in place of a function. */
const marker = { function: true } as const

/** Whether this value of a plain configuration stands for a function. */
export function isFunction(value: unknown): boolean {
  return value === marker
}

/**
 * Collects the functions of a configuration while it is made plain data.
 *
 * @returns The replacement for the value at a path; `undefined` for a value that is not replaced.
 */
export function collectFunctions(
  functions: UserFunctions,
): (value: unknown, path: string) => Json | undefined {
  return (value, path) => {
    if (!functionFields.has(path.replace(/\.\d+(?=\.|$)/g, '.*'))) return undefined
    if (typeof value === 'function') {
      functions.set(path, value as UserFunction)
      return marker
    }
    // Plain data must not look like a function to the core.
    if (isObject(value) && Object.hasOwn(value, 'function'))
      throw configError(`${path}.function`, 'is unknown')
    return undefined
  }
}

interface Call {
  number: number
  request: { field: string; argument: object }
}

/** The callback through which the core calls these functions; results go back by number. It never throws. */
export function createFunctionCallback(functions: UserFunctions): (message: string) => void {
  const calls = new Map<number, AbortController>()
  return (message) => {
    const parsed = JSON.parse(message) as Call | { canceled: number }
    if ('canceled' in parsed) {
      calls.get(parsed.canceled)?.abort(new DOMException('evertoken no longer waits for it', 'TimeoutError'))
      calls.delete(parsed.canceled)
      return
    }
    const { number, request } = parsed
    const controller = new AbortController()
    calls.set(number, controller)
    const context = { ...request.argument, signal: controller.signal }
    void outcomeOf(number, functions.get(request.field), context).then((outcome) => {
      calls.delete(number)
      native().provide(number, outcome)
    })
  }
}

/** Why a call has no result: what the function did, in words to follow its name. */
interface Failure {
  what: string
  code?: string
  status?: number
  retryAfterSeconds?: number
  /** The number under which what was thrown is kept. */
  thrown?: number
}

/** The outcome of a call as JSON. It never rejects. */
async function outcomeOf(number: number, call: UserFunction | undefined, context: object): Promise<string> {
  const failed = (error: Failure): string => JSON.stringify({ error })
  let result: unknown
  try {
    // In a function of its own, so that what it throws and what it rejects with are the same.
    result = await settle((call as (context: object) => unknown)(context))
  } catch (error) {
    keepThrown(number, error)
    return failed({ ...describeFailure(error), thrown: number })
  }
  try {
    const count = { left: maxValues }
    const text = JSON.stringify({ ok: toWire(result, count) ?? null })
    const isTooLarge = count.left < 0 || text.length > maxLength
    return isTooLarge ? failed({ what: 'returned far more than a token response' }) : text
  } catch (error) {
    return failed({ what: `returned a value that cannot be read: it threw ${classifyThrown(error)}` })
  }
}

/** Much more than any token response has. */
const maxLength = 1 << 20
const maxValues = 10_000
const maxDepth = 16

/**
 * The JSON of a result. A number or a date that JSON does not have becomes text, so that the core reports it; what is not
 * data is left out.
 *
 * @throws What a getter or a proxy throws.
 */
function toWire(value: unknown, count: { left: number }, depth = 0): Json | undefined {
  if (--count.left < 0 || depth > maxDepth) return null
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return String(value)
    case 'object':
      if (value === null) return null
      if (types.isDate(value)) return dateText(value)
      if (Array.isArray(value)) return value.map((item) => toWire(item, count, depth + 1) ?? null)
      return objectToWire(value, count, depth)
    default:
      return undefined
  }
}

function objectToWire(object: object, count: { left: number }, depth: number): Json {
  // Without a prototype, so that every key is an ordinary one, even `__proto__`.
  const plain = Object.create(null) as { [key: string]: Json }
  for (const [key, value] of Object.entries(object)) {
    const wire = toWire(value, count, depth + 1)
    if (wire !== undefined) plain[key] = wire
  }
  return plain
}

function dateText(date: Date): string {
  const time = Date.prototype.getTime.call(date)
  return Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString()
}

/** What was thrown: its class and code, and what it says about the next attempt. */
function describeFailure(error: unknown): Failure {
  const failure: Failure = { what: `threw ${classifyThrown(error)}${causeOf(error)}` }
  try {
    if (!isObject(error)) return failure
    // A code that looks like one of evertoken's counts only if it is.
    if (error instanceof TokenError) {
      failure.code = error.code
      if (Number.isInteger(error.status) && error.status! > 0 && error.status! < 1000)
        failure.status = error.status!
    }
    const seconds = secondsOf(error['retryAfterSeconds']) ?? secondsOf(error['retryAfter'])
    if (seconds !== undefined) failure.retryAfterSeconds = seconds
  } catch {
    // A getter threw: it stays with what is known.
  }
  return failure
}

/** `fetch` hides the reason of a failure in the cause of its error. */
function causeOf(error: unknown): string {
  try {
    const cause = isObject(error) ? error['cause'] : undefined
    return cause === undefined || cause === null ? '' : `, caused by ${classifyThrown(cause)}`
  } catch {
    return ''
  }
}

/** A wait in seconds: a number, digits, a date, or the text of a date, as in `Retry-After`. */
function secondsOf(value: unknown): number | undefined {
  const isText = typeof value === 'string' && value.trim() !== ''
  if (typeof value === 'number' || (isText && /^\s*\d+(\.\d+)?\s*$/.test(value))) {
    const seconds = Number(value)
    return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined
  }
  if (!isText && !types.isDate(value)) return undefined
  const seconds = (new Date(value).getTime() - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}
