import { configError } from '../support/errors'

/**
 * The members of what was handed in, as JSON. Libraries hand over whole accounts: only what the core cannot read is
 * replaced, so that it names the member if that is about the tokens, and ignores it otherwise.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the member that JSON cannot represent.
 */
export function handedInText(tokens: unknown, service: string): string {
  if (typeof tokens !== 'object' || tokens === null || Array.isArray(tokens)) return 'null'
  // Without a prototype, so that every key is an ordinary one, even `__proto__`.
  const plain = Object.create(null) as Record<string, unknown>
  for (const [name, value] of Object.entries(tokens)) {
    if (value !== undefined) plain[name] = toMember(value, name, service)
  }
  return JSON.stringify(plain)
}

function toMember(value: unknown, name: string, service: string): unknown {
  switch (typeof value) {
    case 'string':
      if (value.isWellFormed()) return value
      throw configError(name, 'must be Unicode text, but contains half a surrogate pair', { service })
    case 'number':
      if (Number.isFinite(value)) return value
      throw configError(name, `must be a finite number, not ${value}`, { service })
    case 'boolean':
      return value
    case 'object':
      if (value === null) return null
      if (value instanceof Date) return toText(value, name, service)
      return isTexts(value) ? value : {}
    default:
      return {}
  }
}

function toText(date: Date, name: string, service: string): string {
  if (Number.isNaN(date.getTime())) throw configError(name, 'must be a valid Date', { service })
  return date.toISOString()
}

function isTexts(value: object): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item.isWellFormed())
}
