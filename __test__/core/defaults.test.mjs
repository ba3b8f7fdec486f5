// The defaults that both the core and ts/ know: what ts/ says of them is what the core does.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { afterEach, test } from 'node:test'
import { initializeTokenService, startTokenScheduler, stopTokenScheduler } from 'evertoken'
import { createFakeEvertoken } from 'evertoken/testing'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { useTokenServer } from '../support/service.mjs'

const require = createRequire(import.meta.url)
const native = require('evertoken/native')
const { defaultServiceName, schedulerDefaults } = require('../../lib/support/defaults.js')
const { logFormats, logLevels } = require('../../lib/support/env-table.js')

const server = useTokenServer()
const client = () => ({
  authUrl: server.tokenUrl,
  clientId: 'tests',
  clientSecret: 'the-secret',
  storage: { kind: 'memory' },
})
afterEach(cleanEnvironment)

test('the name of a service without a name', (t) => {
  const service = initializeTokenService(client())
  t.after(() => service.shutdown())
  assert.equal(service.name, defaultServiceName)
  assert.equal(createFakeEvertoken().initializeTokenService().name, defaultServiceName)
})

test('the intervals of the scheduler', () => {
  const { refreshIntervalSeconds, healthCheckIntervalSeconds } = startTokenScheduler()
  stopTokenScheduler()
  assert.deepEqual({ refreshIntervalSeconds, healthCheckIntervalSeconds }, { ...schedulerDefaults })
})

/** Whether the core takes these log settings. */
function takes(log) {
  const config = { ...client(), service: `log-${JSON.stringify(log)}` }
  const settings = { level: 'warn', format: 'text', forward: false, ...log }
  const outcome = JSON.parse(
    native.initialize(JSON.stringify({ config, variables: {}, log: settings, environment: {} })),
  )
  if (outcome.ok) native.shutdown(outcome.ok.id)
  return outcome.ok !== undefined
}

test('the log levels and formats', () => {
  assert.deepEqual(
    [...logLevels, 'silent', 'loud', 'warning'].filter((level) => takes({ level })),
    [...logLevels, 'silent'],
  )
  assert.deepEqual(
    [...logFormats, 'xml'].filter((format) => takes({ format })),
    [...logFormats],
  )
})
