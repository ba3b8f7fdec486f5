import { types } from 'node:util'

/*
 * What users' functions throw may be anything: a proxy that was revoked, an error whose message throws. Nothing here
 * throws.
 */

/** More than any sentence needs, and too little for a log to drown in. */
const maxLength = 300

/**
 * What was thrown, in words: one printable line.
 *
 * @param secret A text that must not be told, should it be in there.
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

/** The class and code of what was thrown, and none of its text: a database quotes the values that it was given. */
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
 * What awaiting `result` gives, and no more than that: `await` leaves a rejection unhandled that a `then` of somebody's
 * own answers or covers, and Node ends the process for it.
 */
export function settle<T>(result: T): Promise<Awaited<T>> {
  return new Promise((resolve, reject) => {
    if (types.isPromise(result)) thenDirectly(result, () => {})
    const then = thenOf(result)
    if (then === undefined || (types.isPromise(result) && then === Promise.prototype.then)) {
      return types.isPromise(result) ? thenDirectly(result, reject, resolve) : resolve(result as Awaited<T>)
    }
    const derived: unknown = Reflect.apply(then, result, [(value: T) => resolve(settle(value)), reject])
    // It should fulfill, but a `then` of somebody's own may fail in this way, too.
    if (types.isPromise(derived)) thenDirectly(derived, reject)
  })
}

/**
 * Reports what `result` rejects with, where it is a promise or awaited like one. Nobody waits for it.
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

/** Listens to a promise itself, whatever its own `then` does. */
function thenDirectly(
  promise: Promise<unknown>,
  reject: (error: unknown) => void,
  resolve?: (value: never) => void,
): void {
  const listen = (): unknown => Reflect.apply(Promise.prototype.then, promise, [resolve, reject])
  try {
    listen()
  } catch (error) {
    // Its class cannot say what a derived promise is. With this it need not.
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
