import type { IncomingHttpHeaders } from 'node:http'

/** A request as it was received. */
export interface RecordedRequest {
  readonly method: string
  /** Including the query. */
  readonly path: string
  readonly headers: Readonly<IncomingHttpHeaders>
  readonly body: string
  /** The body's fields, whether it is a form or a JSON object; `{}` for neither. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly at: Date
}
