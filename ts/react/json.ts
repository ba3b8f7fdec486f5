/** More than anybody reads of one value. */
const longestText = 1_000

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text of an answer, as long as it may be. */
export function cut(value: string): string {
  return value.length > longestText ? `${value.slice(0, longestText)}…` : value
}
