import type { AuthHeaders, DatabaseHandle, TokenEvent, TokenServiceConfig } from '../../index'
import { createFunctionCallback } from '../config/functions'
import { resolveConfig } from '../config/resolve'
import { defaultServiceName } from '../support/defaults'
import { clientNumber, globalState } from '../support/global-state'
import { asService, configError, TokenError } from '../support/errors'
import { subscribe } from '../events/subscription'
import type { HeaderCache } from './header-cache'
import { logSettings } from '../events/logging'
import { native, unwrap } from '../binding/native'
import { networkVariables } from '../binding/network-variables'
import { createCallback } from '../stores/callbacks'
import { CoreService, headerCacheOf, release, emitEvent, TokenService } from './token-service'

/** One handle for each service of the core, by number. */
const handles = new Map<number, TokenService>()

/**
 * Their header caches by name, so that a call with a name and a good token does not cross to the core. If another copy or
 * thread ends or replaces the service, its header cache is no longer current, and the core is asked again.
 */
const headersByName = new Map<string, HeaderCache>()

/** The last name that was looked up in it, and what was found: calls for one service often follow each other. */
let lastName: string | undefined
let lastHeaders: HeaderCache | undefined

/** The header cache of the default service, when it was last found. */
let defaultHeaders: HeaderCache | undefined

/** Whether the newest configuration came from code, so that the environment alone would be a different one. */
let isConfiguredInCode = false

/** Documented in `index.d.ts`. */
export function initializeTokenService(
  ...args: [config?: TokenServiceConfig, useDatabase?: boolean, database?: DatabaseHandle]
): TokenService {
  const [config, useDatabase, database] = args
  const given = typeof config?.service === 'string' ? config.service : defaultServiceName
  const { plain, variables, logger, refusedBy, functions, provider, log } = asService(given, () => {
    // A variable that is not set must not lead to another database than the one that was meant.
    if (useDatabase === true && args.length > 2 && database === undefined) {
      throw configError(
        'database',
        'is undefined: pass a path, a URL, a Prisma client or a store, or leave it out',
      )
    }
    const split = resolveConfig(config, useDatabase, database)
    return { ...split, log: logSettings(split.logger) }
  })
  subscribe(eventSink)
  const provided = provider && {
    comparesAndSets: provider.comparesAndSets,
    client: clientNumber(provider.client),
  }
  const request = JSON.stringify({
    config: plain,
    variables,
    log,
    environment: networkVariables(),
    provided,
  })
  const { id, name } = unwrap(
    native().initialize(
      request,
      provider && createCallback(provider.answer),
      functions.size === 0 ? undefined : createFunctionCallback(functions),
    ),
    given,
  )
  isConfiguredInCode =
    useDatabase === true || Object.values(config ?? {}).some((value) => value !== undefined)
  // The newest call decides which service is the default, and where its log lines go.
  defaultHeaders = undefined
  const { loggers, refusalChecks } = globalState()
  for (const kept of [loggers, refusalChecks]) {
    kept.delete(id)
    // If another copy of the package has the replaced service, its entry goes when the core says that it has ended.
    kept.delete(headersByName.get(name)?.id ?? id)
  }
  if (logger) loggers.set(id, { service: name, logger })
  if (refusedBy) refusalChecks.set(id, { service: name, refusedBy })
  return handleFor(id, name)
}

/** Documented in `index.d.ts`. */
export function getTokenService(service?: string): TokenService | null {
  if (service !== undefined && typeof service !== 'string') throw configError('service', 'must be a string')
  const id = native().find(service ?? null)
  if (id === null) return null
  const known = handles.get(id)
  if (known) return known
  try {
    return handleFor(id, unwrap(native().status(id)).service)
  } catch (error) {
    // Another thread has shut it down between the two calls.
    if (error instanceof TokenError && error.code === 'ERR_TOKEN_SHUTDOWN') return null
    throw error
  }
}

/** Documented in `index.d.ts`. */
export function getAuthHeaders(service?: string): Promise<AuthHeaders> {
  const kept = service === undefined ? defaultHeaders : headersOf(service)
  const current = kept?.current()
  if (current) return current
  try {
    const found = getTokenService(service) ?? serviceFromEnvironment(service)
    if (service === undefined) defaultHeaders = headerCacheOf(found)
    return found.getAuthHeaders()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** The default service, initialized from the environment, for calls that find no service. */
export function serviceFromEnvironment(service: string | undefined): TokenService {
  if (service !== undefined && service !== defaultServiceName) {
    throw configError(
      'service',
      `is ${JSON.stringify(service)}, but no service has this name: initialize it first`,
      {
        service,
      },
    )
  }
  if (isConfiguredInCode) {
    throw new TokenError('ERR_TOKEN_SHUTDOWN', 'the token service was shut down; initialize it again', {
      service: defaultServiceName,
    })
  }
  return initializeTokenService()
}

function headersOf(name: string): HeaderCache | undefined {
  if (name !== lastName) {
    lastName = name
    lastHeaders = headersByName.get(name)
  }
  return lastHeaders
}

function forgetLastName(): void {
  lastName = undefined
  lastHeaders = undefined
}

function handleFor(id: number, name: string): TokenService {
  subscribe(eventSink)
  const known = handles.get(id)
  if (known) return known
  const replaced = headersByName.get(name)
  if (replaced) forget(replaced.id)
  const created = new TokenService(new CoreService(id, name))
  handles.set(id, created)
  headersByName.set(name, headerCacheOf(created))
  forgetLastName()
  return created
}

/** Releases a service that has ended. */
function forget(id: number): void {
  const service = handles.get(id)
  if (service === undefined) return
  handles.delete(id)
  const headers = headerCacheOf(service)
  if (headersByName.get(service.name) === headers) headersByName.delete(service.name)
  forgetLastName()
  if (headers === defaultHeaders) defaultHeaders = undefined
  release(service)
}

const eventSink = {
  emit(id: number, event: TokenEvent): void {
    const service = handles.get(id)
    if (service) emitEvent(service, event)
  },
  end: forget,
}
