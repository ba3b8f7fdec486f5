// The main job in one runtime: a login, a header, a stored token, a refresh, a repeated call after a 401, and an end.
const assert = require('node:assert')
const { mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { initializeTokenService, getAuthHeaders, startTokenScheduler } = require('../..')
const { startMockTokenServer } = require('../../lib/testing')

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-smoke-'))
  const server = await startMockTokenServer({ refreshTokens: 'rotating' })
  const service = initializeTokenService({
    authUrl: server.tokenUrl,
    clientId: 'app',
    clientSecret: 'the client secret',
    storage: { kind: 'sqlite', path: join(folder, 'tokens.db') },
    logger: { debug() {}, info() {}, warn() {}, error: console.error },
  })
  startTokenScheduler()
  const headers = await Promise.all(Array.from({ length: 100 }, () => getAuthHeaders()))
  assert.equal(new Set(headers.map(({ Authorization }) => Authorization)).size, 1)
  assert.equal(server.tokenRequests.length, 1)
  assert.equal((await service.refresh()).state, 'valid')
  server.revokeAll()
  assert.equal((await service.fetch(server.apiUrl)).status, 200)
  assert.deepEqual([server.counts.logins, server.counts.refreshes], [1, 2])
  const { healthy, storage } = service.status()
  assert.deepEqual([healthy, storage.healthy, storage.encrypted], [true, true, true])
  await service.shutdown()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
}

main().then(
  () => console.log('works'),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
