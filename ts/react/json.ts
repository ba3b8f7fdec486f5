/** More than anyone reads of one value. */
const longestText = 1_000

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text of a response, shortened if it is too long. */
export function cut(value: string): string {
  return value.length > longestText ? `${value.slice(0, longestText)}…` : value
}
