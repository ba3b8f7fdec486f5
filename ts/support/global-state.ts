import type { Logger, TokenServiceConfig } from '../../index'

/**
 * What all copies of this package in one JavaScript environment share: bundles and hot reloads evaluate the package more
 * than once, but each event must be published once, and each line logged once.
 */
export interface GlobalState {
  /** Whether a copy publishes events and passes lines to loggers. The first one does, for all. */
  hasPublisher: boolean
  /** The newest logger of each service, by number. */
  loggers: Map<number, { service: string; logger: Logger }>
  /** The newest `refusedBy` of each service, by number. */
  refusalChecks: Map<number, { service: string; refusedBy: RefusedBy }>
  /** A number for each client of a store that was passed in. */
  clients: WeakMap<object, number>
  lastClient: number
  /** What functions of the configuration threw last, by the number of their call. */
  thrown: Map<number, unknown>
}

/** `refusedBy` of the configuration. */
export type RefusedBy = NonNullable<TokenServiceConfig['refusedBy']>

// A later version with another shape uses another name.
const key = Symbol.for('evertoken.environment.1')

/** The state of this environment. */
export function globalState(): GlobalState {
  const holder = globalThis as { [key]?: GlobalState }
  return (holder[key] ??= {
    hasPublisher: false,
    loggers: new Map(),
    refusalChecks: new Map(),
    clients: new WeakMap(),
    lastClient: 0,
    thrown: new Map(),
  })
}

/** As many services as fail at the same time, in most programs. */
const mostThrown = 32

/** Keeps what a function of the configuration threw in this call, for the errors that tell of it. */
export function keepThrown(call: number, error: unknown): void {
  const { thrown } = globalState()
  thrown.set(call, error)
  if (thrown.size > mostThrown) thrown.delete(thrown.keys().next().value!)
}

/** The number of a client, the same for all copies of the package. */
export function clientNumber(client: object): number {
  const state = globalState()
  const number = state.clients.get(client) ?? ++state.lastClient
  state.clients.set(client, number)
  return number
}
