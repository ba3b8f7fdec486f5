// A service that begins while another of its name still refreshes: a hot reload, or a shutdown that is not awaited.
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { startMockTokenServer } from 'evertoken/testing'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { configAt } from '../support/service.mjs'
import { MapStore } from '../support/stores.mjs'

afterEach(cleanEnvironment)

const ends = {
  'is replaced by another configuration': () => {},
  'shuts down and is not waited for': (service) => void service.shutdown(),
}

describe('a refresh token is used once while a service', () => {
  for (const [how, end] of Object.entries(ends)) {
    test(how, async (t) => {
      const server = await startMockTokenServer({ refreshTokens: 'rotating' })
      t.after(() => server.close())
      const config = { ...configAt(server), storage: { kind: 'custom', store: new MapStore() } }
      const first = initializeTokenService(config)
      await first.getAuthHeaders()
      server.hold()
      const refresh = first.refresh().catch((error) => error)
      await server.waitForRequests(2)
      end(first)
      const second = initializeTokenService({ ...config, refreshBufferSeconds: 100 })
      t.after(() => second.shutdown())
      const asked = second.refresh()
      server.release()
      await Promise.all([refresh, asked])
      assert.deepEqual(server.counts, { logins: 1, refreshes: 1, reuses: 0, revocations: 0, abandoned: 0 })
      assert.equal(second.status().state, 'valid')
    })
  }
})
