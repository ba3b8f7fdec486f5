// What the front door's tests have in common: a token server for each file, a service for each test.

import './clean-environment.mjs'

import { after, before } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { startTokenServer } from './token-server.mjs'

export const clientSecret = 'the-client-secret-of-the-tests'

/** A token server that lives as long as the test file; its properties are there once the tests run. */
export function useTokenServer(options) {
  const server = {}
  before(async () => {
    const started = await startTokenServer(options)
    Object.defineProperties(server, Object.getOwnPropertyDescriptors(started))
  })
  after(() => server.close())
  return server
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
    authUrl: server.authUrl,
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
