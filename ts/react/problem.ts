/** Why the endpoint gave no status. */
export interface TokenProblem {
  /**
   * `unreachable`: no answer, or one that is no answer of these routes; `unauthorized`: 401; `forbidden`: 403;
   * `limited`: 429; `refused`: any other error that the routes report.
   */
  readonly kind: 'unreachable' | 'unauthorized' | 'forbidden' | 'limited' | 'refused'
  /** A sentence for people. */
  readonly message: string
  /** The code of the error, where the answer had one. */
  readonly code: string | null
  /** How long the server asks to wait, in seconds. */
  readonly retryAfterSeconds: number | null
}
