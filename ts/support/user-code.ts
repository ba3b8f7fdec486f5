import { types } from 'node:util'

/*
 * Users' functions may throw anything: a revoked proxy, an error whose message throws. Nothing here throws.
 */

/** Enough for any sentence, and short enough for a log. */
const maxLength = 300

/**
 * A description of what was thrown, in one printable line.
 *
 * @param secret A text to remove from it.
 */
export function describeThrown(error: unknown, secret?: string | null): string {
  return safely(() => {
    if (!types.isNativeError(error) && !(error instanceof Error)) return typeOf(error)
    const text = `${textOf(error.name) ?? 'Error'}: ${textOf(error.message) ?? '(without a readable message)'}`
    const clean = secret ? text.replaceAll(secret, '[secret]') : text
    const line = clean.slice(0, 10 * maxLength).replace(/[\p{C}\p{Z}]+/gu, ' ')
    return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line
  })
}

/** The class and code of what was thrown, without its text: databases quote values in their errors. */
export function classifyThrown(error: unknown): string {
  return safely(() => {
    if (typeof error !== 'object' || error === null) return typeOf(error)
    const {
      name,
      code,
      constructor: owner,
    } = error as {
      name?: unknown
      code?: unknown
      constructor?: { name?: unknown }
    }
    const known = [name, owner?.name].find((word) => isClassName.test(textOf(word) ?? ''))
    return `${textOf(known) || 'an error'}${isCode.test(textOf(code) ?? '') ? ` (${textOf(code)})` : ''}`
  })
}

/**
 * The result of awaiting `result`, but without unhandled rejections: `await` leaves a rejection unhandled if an
 * overridden `then` hides it, and Node then ends the process.
 */
export function settle<T>(result: T): Promise<Awaited<T>> {
  return new Promise((resolve, reject) => {
    if (types.isPromise(result)) thenDirectly(result, () => {})
    const then = thenOf(result)
    if (then === undefined || (types.isPromise(result) && then === Promise.prototype.then)) {
      return types.isPromise(result) ? thenDirectly(result, reject, resolve) : resolve(result as Awaited<T>)
    }
    const derived: unknown = Reflect.apply(then, result, [(value: T) => resolve(settle(value)), reject])
    // It should fulfill, but an overridden `then` may also fail in this way.
    if (types.isPromise(derived)) thenDirectly(derived, reject)
  })
}

/**
 * Reports the rejection of `result`, if it is a promise or a thenable, without waiting for it.
 *
 * @param report Must not throw.
 */
export function reportRejection(result: unknown, report: (error: unknown) => void): void {
  if ((typeof result === 'object' || typeof result === 'function') && result !== null) {
    settle(result).then(undefined, report)
  }
}

function thenOf(value: unknown): ((...given: unknown[]) => unknown) | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined
  const { then } = value as { then?: unknown }
  return typeof then === 'function' ? (then as (...given: unknown[]) => unknown) : undefined
}

/** Subscribes to a promise even if its own `then` is overridden. */
function thenDirectly(
  promise: Promise<unknown>,
  reject: (error: unknown) => void,
  resolve?: (value: never) => void,
): void {
  const listen = (): unknown => Reflect.apply(Promise.prototype.then, promise, [resolve, reject])
  try {
    listen()
  } catch (error) {
    // Its class has an invalid Symbol.species. With this, it is not used.
    if (!Reflect.defineProperty(promise, 'constructor', { value: undefined, configurable: true })) {
      reject(error)
      return
    }
    listen()
  }
}

const isClassName = /^(?:[A-Z][A-Za-z0-9]{0,60})?(?:Error|Exception)$/
const isCode = /^[A-Z0-9_]{1,40}$/

const typeOf = (value: unknown): string =>
  value == null ? String(value) : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined

function safely(describe: () => string): string {
  try {
    return describe()
  } catch {
    return 'a value that cannot be inspected'
  }
}

/** Whether it is an object (or function) with these functions. */
export function hasFunctions(value: unknown, names: readonly string[]): value is object {
  return isObject(value) && names.every((name) => typeof value[name] === 'function')
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
