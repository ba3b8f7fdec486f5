// `process.env` changes while services begin, as dotenv, Next.js and test runners change it: each process is one try.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { initializeTokenService } from 'evertoken'

/** A core that reads the environment on a thread of its own dies within a few of these processes. */
const tryingFor = 8000

/** Begins services with every kind of store and name, and changes the environment under them. */
const child = `
  const { initializeTokenService } = require('evertoken')
  const [port, folder] = process.argv.slice(1)
  const begin = (service, host, storage) => initializeTokenService({
    service, authUrl: 'http://' + host + ':' + port + '/token', clientId: 'a', clientSecret: 'secret', storage,
  }).getAuthHeaders()
  const all = [
    ...['a', 'b', 'c'].map((name) => begin(name, '127.0.0.1', { kind: 'memory' })),
    begin('d', 'localhost', { kind: 'memory' }),
    begin('e', '127.0.0.1', { kind: 'file', path: folder + '/' + process.pid + '.json' }),
    begin('f', '127.0.0.1', { kind: 'sqlite', path: folder + '/' + process.pid + '.db' }),
  ]
  const end = Date.now() + 60
  for (let k = 0; Date.now() < end; ) {
    for (let j = 0; j < 150; j++) process.env['APP_VARIABLE_' + j] = 'value ' + k++
    for (let j = 0; j < 150; j++) delete process.env['APP_VARIABLE_' + j]
  }
  Promise.all(all).then(() => process.exit(0))`

const answer = (token) => (_, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ access_token: token, expires_in: 3600 }))
}

async function listen(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

describe('the environment', () => {
  const server = createServer(answer('direct'))
  const proxy = createServer(answer('by-proxy'))
  let port
  let folder
  before(async () => {
    port = await listen(server)
    folder = mkdtempSync(join(tmpdir(), 'evertoken-environment-'))
  })
  after(() => {
    for (const each of [server, proxy]) {
      each.closeAllConnections()
      each.close()
    }
    rmSync(folder, { recursive: true, force: true })
  })

  test('changes while services begin, and the process lives', { timeout: 60_000 }, async () => {
    const options = {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, LOG_LEVEL: 'silent' },
      stdio: 'ignore',
    }
    const end = Date.now() + tryingFor
    let tries = 0
    while (Date.now() < end) {
      const [code, signal] = await once(spawn(process.execPath, ['-e', child, port, folder], options), 'exit')
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, `try ${tries}`)
      tries++
    }
    assert.ok(tries > 5, `${tries} tries`)
  })

  test('is read when a service begins, and not again', async (t) => {
    process.env.http_proxy = `http://127.0.0.1:${await listen(proxy)}`
    t.after(() => delete process.env.http_proxy)
    const begin = (service) =>
      initializeTokenService({
        service,
        authUrl: 'http://token.example.com/token',
        allowInsecureHttp: true,
        clientId: 'a',
        clientSecret: 'secret',
        storage: { kind: 'memory' },
        onFailure: 'throw',
        retry: { attempts: 1 },
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      })
    const service = begin('begun_behind_a_proxy')
    t.after(() => service.shutdown())
    process.env.http_proxy = 'http://127.0.0.1:1'
    assert.equal(await service.getToken(), 'by-proxy')
    await service.refresh()
  })
})
