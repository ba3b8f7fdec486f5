import type { TokenStatus } from '../../index'
import { configError } from '../support/errors'
import { getTokenService, serviceFromEnvironment } from '../service/registry'
import { checkAccess, type Authorize } from './access'
import { actionOf, type TokenRouteContext } from './action'
import { errorResponse, json, RouteError, text } from './responses'
import { metrics, metricsType } from './metrics'

export type { TokenRouteContext } from './action'

/** Who may send requests, and about which service. */
export interface TokenRoutesOptions {
  /**
   * Decides for every request, also in development, whether it is allowed; only `true` allows it. It may take 30 seconds.
   * Default: a request needs `Authorization: Bearer $EVERTOKEN_ADMIN_SECRET`. If that variable is not set, every request
   * is allowed when `NODE_ENV` is exactly `development` or `test`, and none otherwise.
   */
  authorize?: Authorize
  /** The name of the service. Default: the one that `getTokenService()` returns. */
  service?: string
}

/** A handler. Outside Next.js, the request alone is enough. */
export interface TokenRoute {
  (request: Request): Promise<Response>
  // Next.js checks routes against the last one, and does not accept an optional context.
  (request: Request, context: TokenRouteContext): Promise<Response>
}

/** The handlers of a route file. */
export interface TokenRoutes {
  readonly GET: TokenRoute
  readonly POST: TokenRoute
  readonly DELETE: TokenRoute
}

/**
 * Creates the handlers of `app/api/token/[[...action]]/route.ts`.
 *
 * | route | response |
 * |---|---|
 * | `GET /api/token/status` | 200, the `TokenStatus` |
 * | `GET /api/token/metrics` | 200, the same as Prometheus text |
 * | `POST /api/token/refresh` | 200, the new `TokenStatus`; 429 with `Retry-After`; 502 if the token server refuses or fails |
 * | `DELETE /api/token` | 200, `{ cleared: true }` |
 *
 * Anything else is 404. Errors are `{ error: { code, message } }`: 401 without the admin secret, 403 if the request is
 * not allowed or comes from another site, 500 if the configuration is invalid, 503 if the service is shut down or its
 * store fails. No response contains a token, and none may be cached.
 *
 * Like `getAuthHeaders`, they initialize the default service from the environment if there is none.
 *
 * @throws {TokenError} `ERR_TOKEN_CONFIG` if an option is invalid.
 *
 * @example
 * ```ts
 * import { createTokenRoutes } from 'evertoken/next'
 *
 * export const { GET, POST, DELETE } = createTokenRoutes()
 * ```
 */
export function createTokenRoutes(options: TokenRoutesOptions = {}): TokenRoutes {
  const { authorize, service } = options
  if (authorize !== undefined && typeof authorize !== 'function')
    throw configError('authorize', 'must be a function')
  if (service !== undefined && typeof service !== 'string') throw configError('service', 'must be a string')
  const find = () => getTokenService(service) ?? serviceFromEnvironment(service)

  const route =
    (actions: Record<string, () => Response | Promise<Response>>): TokenRoute =>
    async (request: Request, context?: TokenRouteContext) => {
      try {
        await checkAccess(request, authorize)
        const action = (await actionOf(request, context)).join('/')
        if (!Object.hasOwn(actions, action))
          throw new RouteError(404, 'ERR_ROUTE_NOT_FOUND', 'there is no such route')
        return await actions[action]!()
      } catch (error) {
        return errorResponse(error)
      }
    }

  return {
    GET: route({
      status: () => json(find().status() satisfies TokenStatus),
      metrics: () => text(metrics(find().status()), metricsType),
    }),
    POST: route({
      refresh: async () => json((await find().refresh()) satisfies TokenStatus),
    }),
    DELETE: route({
      '': async () => {
        await find().clear()
        return json({ cleared: true })
      },
    }),
  }
}
