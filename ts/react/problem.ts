/** Why there is no status from the endpoint. */
export interface TokenProblem {
  /**
   * `unreachable`: no response, or not a response of these routes; `unauthorized`: 401; `forbidden`: 403;
   * `limited`: 429; `refused`: any other error that the routes report.
   */
  readonly kind: 'unreachable' | 'unauthorized' | 'forbidden' | 'limited' | 'refused'
  /** A sentence for the reader. */
  readonly message: string
  /** The code of the error, if the response has one. */
  readonly code: string | null
  /** How long to wait, in seconds, if the server says so. */
  readonly retryAfterSeconds: number | null
}
