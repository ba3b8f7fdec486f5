/**
 * `evertoken/next`: the token's routes for the App Router, and what `next.config` needs.
 *
 * @module evertoken/next
 */

export { createTokenRoutes } from './routes'
export type { TokenRoute, TokenRouteContext, TokenRoutes, TokenRoutesOptions } from './routes'
export { withEvertoken } from './config'
export type { TracedConfig } from './config'
