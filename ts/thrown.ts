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
  return guarded(() => {
    if (!types.isNativeError(error) && !(error instanceof Error)) return typeOf(error)
    const told = `${textOf(error.name) ?? 'Error'}: ${textOf(error.message) ?? '(without a readable message)'}`
    const clean = secret ? told.replaceAll(secret, '[secret]') : told
    const line = clean.slice(0, 10 * maxLength).replace(/[\p{C}\p{Z}]+/gu, ' ')
    return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line
  })
}

/** The class and code of what was thrown, and none of its text: a database quotes the values that it was given. */
export function kindOfThrown(error: unknown): string {
  return guarded(() => {
    if (typeof error !== 'object' || error === null) return typeOf(error)
    const { name, code, constructor } = error as { name?: unknown; code?: unknown; constructor?: { name?: unknown } }
    const known = [name, constructor?.name].find((word) => isClassName.test(textOf(word) ?? ''))
    return `${textOf(known) || 'an error'}${isCode.test(textOf(code) ?? '') ? ` (${textOf(code)})` : ''}`
  })
}

/**
 * Reports what `result` rejects with, where it is a promise or awaited like one. Nobody waits for it.
 *
 * @param report Must not throw.
 */
export function onRejection(result: unknown, report: (error: unknown) => void): void {
  if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return
  try {
    const { then } = result as { then?: unknown }
    if (typeof then !== 'function') return
    const derived: unknown = Reflect.apply(then, result, [undefined, report])
    // What `then` answers should be a promise that fulfills, but a `then` of somebody's own may answer another.
    if (types.isPromise(derived)) Reflect.apply(Promise.prototype.then, derived, [undefined, report])
  } catch (error) {
    report(error)
  }
}

const isClassName = /^(?:[A-Z][A-Za-z0-9]{0,60})?(?:Error|Exception)$/
const isCode = /^[A-Z0-9_]{1,40}$/

const typeOf = (value: unknown): string => (value == null ? String(value) : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`)

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined

function guarded(describe: () => string): string {
  try {
    return describe()
  } catch {
    return 'a value that cannot be inspected'
  }
}
