import type { Logger, TokenServiceConfig } from '../../index'

/**
 * What all copies of this package in one JavaScript environment share: bundles and hot reloads evaluate the
 * package more than once, and an event is to be published once, a line logged once, all the same.
 */
export interface GlobalState {
  /** Whether a copy publishes events and hands lines to loggers. The first one does, for all. */
  hasPublisher: boolean
  /** The newest logger of each service, by number. */
  loggers: Map<number, { service: string; logger: Logger }>
  /** The newest `refusedBy` of each service, by number. */
  refusalChecks: Map<number, { service: string; refusedBy: RefusedBy }>
}

/** `refusedBy` of the configuration. */
export type RefusedBy = NonNullable<TokenServiceConfig['refusedBy']>

// A shape of its own under a name of its own: a later version with another shape takes another name.
const key = Symbol.for('evertoken.environment.1')

/** This environment. */
export function globalState(): GlobalState {
  const holder = globalThis as { [key]?: GlobalState }
  return (holder[key] ??= { hasPublisher: false, loggers: new Map(), refusalChecks: new Map() })
}
