/*
 * What the core assumes where nothing is configured, for the places on this side that must know it, too. A test compares
 * each value with what the core does.
 */

import type { TokenStatus } from '../../index'

/** The name of a service that was given none. */
export const defaultServiceName = 'external_api'

/** The database of `useDatabase` without a `database`. */
export const defaultDatabasePath = './data/token-cache.db'

/** `SchedulerOptions` that are left out. */
export const schedulerDefaults = { refreshIntervalSeconds: 600, healthCheckIntervalSeconds: 300 } as const

const states: Record<TokenStatus['state'], true> = {
  valid: true,
  expiring: true,
  expired: true,
  missing: true,
  manual: true,
}

/** Every state of a token. */
export const tokenStates = Object.keys(states) as TokenStatus['state'][]
