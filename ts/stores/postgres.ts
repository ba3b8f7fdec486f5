import type { PostgresClient } from '../../index'
import { classifyThrown, settle } from '../support/user-code'
import type { Json } from '../support/json'
import type { Provider } from './callbacks'

/** A statement; its parameters, and the columns of its result, are texts. The columns are named `a`, `b`, and so on. */
interface QueryRequest {
  text: string
  values: (string | null)[]
}

type Row = (string | null)[]

/** A client of a PostgreSQL database: the core writes the statements. */
export function postgresClient(client: PostgresClient): Provider {
  return {
    comparesAndSets: true,
    client,
    async answer({ text, values }: QueryRequest): Promise<Json> {
      let result: unknown
      try {
        result = await settle(client.query(text, values))
      } catch (error) {
        const state = stateOf(error)
        if (state === undefined) throw error
        return { state, thrown: classifyThrown(error) }
      }
      return rowsOf(result).map(plainRow)
    },
  }
}

/** pg returns an object with the rows; Neon's HTTP client returns the rows themselves. */
function rowsOf(result: unknown): unknown[] {
  const rows: unknown = Array.isArray(result) ? result : (result as { rows?: unknown } | undefined)?.rows
  if (Array.isArray(rows)) return rows
  throw new TypeError('query() returned no rows')
}

const names = 'abcdefghijkl'

function plainRow(row: unknown): Row {
  if (Array.isArray(row)) return row.map(plainText)
  const columns = row as Record<string, unknown>
  const present = [...names].filter((name) => columns[name] !== undefined)
  return present.map((name) => plainText(columns[name]))
}

function plainText(value: unknown): string | null {
  if (value === null || typeof value === 'string') return value
  throw new TypeError('query() returned a column that is not a text')
}

/** PostgreSQL's code of an error. Codes of Node, such as `EPIPE`, begin with an E, which no code of PostgreSQL does. */
function stateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined
}
