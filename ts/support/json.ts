import { configError } from './errors'

/** A value that JSON can represent. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** An object of JSON values. */
export type JsonObject = { [key: string]: Json }

// More than any sensible configuration, and less than the limit of the core's parser.
const maxDepth = 64

/**
 * A copy of `value` in plain JSON data: `undefined` in an object means absent.
 *
 * @param path The dotted path of `value`, for errors.
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the path of a value that JSON cannot represent.
 */
export function toPlain(value: unknown, path: string): Json {
  return convert(value, path, [])
}

/**
 * Like {@link toPlain}, for the root object, whose fields are named without a path before them.
 *
 * @param replace What stands for the value at a path; `undefined` where that is the value itself.
 */
export function toPlainObject(object: object, replace?: Replace): JsonObject {
  return convertObject(object, '', [], replace)
}

type Replace = (value: unknown, path: string) => Json | undefined

/**
 * Checks that `value` is an object literal.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming `name`.
 */
export function assertObject(value: unknown, name: string): asserts value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw configError(name, `must be an object, not ${kindOf(value)}`)
  }
  if (!isPlain(value)) throw configError(name, `must be plain data, not an instance of ${className(value)}`)
}

function convert(value: unknown, path: string, parents: readonly object[], replace?: Replace): Json {
  const replacement = replace?.(value, path)
  if (replacement !== undefined) return replacement
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      if (!value.isWellFormed())
        throw configError(path, 'must be Unicode text, but contains half a surrogate pair')
      return value
    case 'number':
      if (!Number.isFinite(value)) throw configError(path, `must be a finite number, not ${value}`)
      return value
    case 'object':
      if (value === null) return null
      if (parents.includes(value))
        throw configError(path, 'must be plain data, but contains a reference to itself')
      if (parents.length >= maxDepth)
        throw configError(path, `must not be nested more than ${maxDepth} levels deep`)
      return Array.isArray(value)
        ? value.map((item, index) => convert(item, `${path}.${index}`, [...parents, value], replace))
        : convertObject(value, path, parents, replace)
    default:
      throw configError(path, `must be plain data, not ${kindOf(value)}`)
  }
}

function convertObject(
  object: object,
  path: string,
  parents: readonly object[],
  replace?: Replace,
): JsonObject {
  if (path !== '') assertObject(object, path)
  // Without a prototype, so that every key is an ordinary one, even `__proto__`.
  const plain = Object.create(null) as JsonObject
  for (const key of Reflect.ownKeys(object)) {
    const value = Reflect.get(object, key) as unknown
    const at = path === '' ? String(key) : `${path}.${String(key)}`
    if (typeof key === 'symbol') throw configError(at, 'is not a known key')
    if (value !== undefined) plain[key] = convert(value, at, [...parents, object], replace)
  }
  return plain
}

/** Whether it is an object literal, of any realm (Jest runs tests in their own realm). */
function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object) as object | null
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function className(object: object): string {
  const { constructor: owner } = object as { constructor?: unknown }
  return typeof owner === 'function' && owner.name ? owner.name : 'a class'
}

// Never the value itself: it may be a secret in the wrong place.
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
