// What the front door's tests have in common: a token server for each file, a service for each test.

import './clean-environment.mjs'

import { after, before } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { startMockTokenServer } from 'evertoken/testing'

export const clientSecret = 'the-client-secret-of-the-tests'

/** A token server that lives as long as the test file; its properties are there once the tests run. */
export function useTokenServer(options) {
  let started
  before(async () => {
    started = await startMockTokenServer(options)
  })
  after(() => started.close())
  return new Proxy(
    {},
    {
      get: (_, name) => (typeof started[name] === 'function' ? started[name].bind(started) : started[name]),
    },
  )
}

let count = 0

/** A name that no other test has. */
export function freshName() {
  count += 1
  return `service-${process.pid}-${count}`
}

/** The configuration of a client at this server, kept in memory. */
export function configAt(server, config) {
  return {
    service: freshName(),
    authUrl: server.tokenUrl,
    clientId: 'tests',
    clientSecret,
    storage: { kind: 'memory' },
    ...config,
  }
}

/** A service at this server that ends with the test. */
export function serviceFor(context, server, config) {
  const service = initializeTokenService(configAt(server, config))
  context.after(() => service.shutdown())
  return service
}
