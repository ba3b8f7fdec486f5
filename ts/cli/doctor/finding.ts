import type { TokenStatus } from '../../../index'
import { errorTable } from '../../support/error-table'
import type { TokenError } from '../../support/errors'
import { serverErrorText } from '../terminal'

/** The result of one check. */
export interface Finding {
  readonly check: string
  readonly outcome: 'passed' | 'warned' | 'failed' | 'skipped'
  readonly detail: string
  /** What to do. */
  readonly remedy?: string
  /** The error text of the token server. */
  readonly said?: string
  /** The page that explains the error. */
  readonly help?: string
}

export const pass = (check: string, detail: string): Finding => ({ check, outcome: 'passed', detail })
export const warn = (check: string, detail: string, remedy: string): Finding => ({
  check,
  outcome: 'warned',
  detail,
  remedy,
})
export const fail = (check: string, detail: string, remedy: string, error?: TokenError): Finding => ({
  check,
  outcome: 'failed',
  detail,
  remedy,
  ...(error && { ...quote(error), help: error.help }),
})
const quote = (error: TokenError): { said?: string } => {
  const said = serverErrorText(error)
  return said === undefined ? {} : { said }
}
export const skip = (check: string, detail: string): Finding => ({ check, outcome: 'skipped', detail })

/** What to do about a store that does not work, where it is not a file. */
const storageRemedies: Readonly<Record<string, string>> = {
  postgres: 'Correct the URL in EVERTOKEN_STORAGE, or what the message names on the server.',
  redis: 'Correct the URL in EVERTOKEN_STORAGE, or what the message names on the server.',
}

/** Whether the store works, from a status and the errors of the store, of which a running app shows none. */
export function storageFinding(
  { storage: { kind, location, encrypted, healthy } }: TokenStatus,
  faults: readonly string[],
): Finding {
  if (!healthy || faults.length > 0) {
    const fault = faults.at(-1)
    if (fault === undefined) {
      return fail('storage', `${location} cannot be used`, 'Read the log of the app, which says why.')
    }
    return fail('storage', fault, storageRemedies[kind] ?? errorTable.ERR_TOKEN_STORAGE.advice)
  }
  if (kind === 'memory') {
    return warn(
      'storage',
      'memory: every process logs in on its own, and again after each restart',
      'Set EVERTOKEN_STORAGE to share the token.',
    )
  }
  return pass('storage', `${kind}, ${location}, ${encrypted ? 'encrypted' : 'not encrypted'}`)
}
