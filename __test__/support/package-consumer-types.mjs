// A TypeScript program as a user writes it, with each of the package's entries. It is compiled and not run.
export const typescriptConsumer = {
  'server.ts': `
    import { initializeTokenService, getAuthHeaders, startTokenScheduler, TokenError } from 'evertoken'
    import type { AuthHeaders, TokenServiceConfig, TokenStatus } from 'evertoken'

    const config: TokenServiceConfig = { authUrl: 'https://login.example.com/oauth/token', clientId: 'id', clientSecret: 's' }
    const service = initializeTokenService(config)
    startTokenScheduler()

    export async function orders(): Promise<unknown> {
      const response = await fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })
      return response.json()
    }

    export async function more(): Promise<TokenStatus> {
      const headers: AuthHeaders = await service.getAuthHeaders()
      new Headers({ accept: 'application/json', ...headers })
      service.on('refreshFailed', (event) => console.error(event.error?.code))
      try {
        return await service.refresh()
      } catch (error) {
        if (error instanceof TokenError) console.error(error.code, error.status)
        throw error
      }
    }

    // @ts-expect-error: a misspelt field does not compile
    initializeTokenService({ authURL: 'https://login.example.com' })
  `,
  'required.cts': `
    import evertoken = require('evertoken')
    import next = require('evertoken/next')

    export const headers: Promise<evertoken.AuthHeaders> = evertoken.getAuthHeaders('billing')
    export const routes = next.createTokenRoutes()
  `,
  'routes.ts': `
    import { createTokenRoutes, withEvertoken } from 'evertoken/next'

    export const { GET, POST, DELETE } = createTokenRoutes({
      authorize: (request: Request) => request.headers.has('x-admin'),
      service: 'external_api'
    })
    export default withEvertoken({ output: 'standalone' })
  `,
  'stores.ts': `
    import { initializeTokenService } from 'evertoken'
    import type { StoredToken, TokenStore } from 'evertoken'
    import { tokenStoreCases } from 'evertoken/testing'
    import { test } from 'node:test'

    class Store implements TokenStore {
      readonly #records = new Map<string, StoredToken>()
      async get(service: string) {
        return this.#records.get(service) ?? null
      }
      async set(service: string, record: StoredToken) {
        this.#records.set(service, record)
      }
      async delete(service: string) {
        this.#records.delete(service)
      }
    }

    for (const { name, run } of tokenStoreCases) test(name, () => run(() => new Store()))
    initializeTokenService({ storage: { kind: 'custom', store: new Store() } })
  `,
  'page.tsx': `
    import { TokenMonitor, useTokenStatus } from 'evertoken/react'

    export function Page() {
      return <TokenMonitor endpoint="/api/token" refreshIntervalMs={5000} headers={{ 'x-admin': 'yes' }} />
    }
    export const use = useTokenStatus
  `,
}
