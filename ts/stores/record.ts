import { types } from 'node:util'
import type { Json } from '../support/json'

const texts = ['refreshToken', 'tokenType'] as const
const moments = ['expiresAt', 'createdAt', 'lastUsed'] as const

/** More than a token endpoint can return: evertoken did not write a longer text. */
const maxLength = 4 * 1024 * 1024

/**
 * A record as a store returned it, as JSON: timestamps are ISO 8601, `null` is for a missing value, and `false` for a
 * value that no record can contain. The core reports the values that it does not accept.
 */
export function plainRecord(found: unknown): Json {
  if (found === null || found === undefined) return null
  if (typeof found !== 'object') return false
  const fields = found as Record<string, unknown>
  const { token } = fields
  if (isTooLong(token)) return { token: false, isTooLong: true }
  return Object.fromEntries([
    ['token', plainText(token)],
    ...texts.map((name) => [name, plainText(fields[name])]),
    ...moments.map((name) => [name, plainMoment(fields[name])]),
  ]) as Json
}

function plainText(value: unknown): Json {
  if (value === null || value === undefined) return null
  return typeof value === 'string' && !isTooLong(value) ? value : false
}

function plainMoment(value: unknown): Json {
  if (typeof value !== 'number' && !types.isDate(value)) return plainText(value)
  const date = new Date(value)
  return Number.isNaN(date.getTime()) ? false : date.toISOString()
}

function isTooLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > maxLength
}
