// The store is not trusted: what someone who can write to it, or read it, can achieve.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { clientEnvironment, runScript } from '../support/child.mjs'
import { configAt, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()
const encryptionKey = 'ab'.repeat(32)

function folderFor(t) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-trust-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A service over a file with one token in it, shut down again. */
async function fileWithToken(t, more = {}) {
  const config = configAt(server, {
    encryptionKey,
    storage: { kind: 'file', path: join(folderFor(t), 'cache.json'), ...more.storage },
    ...more.config,
  })
  const service = initializeTokenService(config)
  const token = await service.getToken()
  const path = service.status().storage.location
  await service.shutdown()
  const edit = (change) => {
    const document = JSON.parse(readFileSync(path, 'utf8'))
    const record = document.services[config.service]
    document.services[config.service] = { ...record, ...change(record) }
    writeFileSync(path, JSON.stringify(document))
  }
  return { path, config, token, edit }
}

/** The token that the next process has, and how many requests it took. */
async function next(t, config) {
  const before = server.tokenRequests.length
  const service = initializeTokenService(config)
  t.after(() => service.shutdown())
  return { service, token: await service.getToken(), requests: server.tokenRequests.length - before }
}

/** SQLite removes its side files when it closes the database, which may be while they are listed. */
function contentOf(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'EISDIR') return ''
    throw error
  }
}

describe('the query of authUrl', () => {
  const key = 'the-key-in-the-query'
  for (const kind of ['file', 'sqlite']) {
    test(`is in no byte of a ${kind} store, also after clear()`, async (t) => {
      const folder = folderFor(t)
      const contents = () =>
        readdirSync(folder, { recursive: true }).map((name) => `${name} ${contentOf(join(folder, name))}`)
      const config = configAt(server, { storage: { kind, path: join(folder, 'cache') }, encryptionKey })
      const service = initializeTokenService({ ...config, authUrl: `${config.authUrl}?key=${key}` })
      await service.getToken()
      await service.refresh()
      assert.ok(contents().join('').includes(config.service))
      assert.ok(!contents().join('').includes(key))
      await service.clear()
      await service.shutdown()
      assert.ok(!contents().join('').includes(key))
    })
  }
})

describe('a sealed record', () => {
  const changes = {
    'whose first six characters are cut': (text) => text.slice(6),
    'in capitals': (text) => text.toUpperCase(),
    'whose first three characters are others': (text) => `xxx${text.slice(3)}`,
    'without its beginning': (text) => text.split('.').at(-1),
    'with a word before it': (text) => `Bearer ${text}`,
    'whose last six characters are cut': (text) => text.slice(0, -6),
    'whose middle is another': (text) => `${text.slice(0, 60)}AAAA${text.slice(64)}`,
  }
  for (const [what, change] of Object.entries(changes)) {
    for (const acceptPlainTokens of [false, true]) {
      // Where plain tokens are accepted, a text that no longer looks sealed is one: that is what the option gives up.
      if (acceptPlainTokens && !what.startsWith('whose last') && !what.startsWith('whose middle')) continue
      test(`${what} is not sent${acceptPlainTokens ? ', also where plain tokens are accepted' : ''}`, async (t) => {
        const { config, edit } = await fileWithToken(t, { storage: { acceptPlainTokens } })
        edit(({ token }) => ({ token: change(token) }))
        const { token, requests } = await next(t, config)
        assert.match(token, /^access-/)
        assert.equal(requests, 1)
      })
    }
  }

  test('is trusted, and nothing next to it is', async (t) => {
    const { config, token, edit } = await fileWithToken(t)
    edit(() => ({
      refreshToken: 'planted',
      tokenType: 'Planted',
      createdAt: '1970-01-01T00:00:00Z',
      expiresAt: '9999-12-30T00:00:00Z',
    }))
    const { service, ...found } = await next(t, config)
    assert.deepEqual(found, { token, requests: 0 })
    assert.deepEqual(await service.getAuthHeaders(), { Authorization: `Bearer ${token}` })
    assert.ok(service.status().expiresInSeconds < 100_000)
    await service.refresh()
    assert.ok(!JSON.stringify(server.tokenRequests.at(-1)).includes('planted'))
  })

  test('is not replaced by a planted token, refresh token or proof key', async (t) => {
    const { config, edit } = await fileWithToken(t)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const proof_key = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
    edit(() => ({ token: 'planted', refreshToken: 'planted too', strategy: { proof_key } }))
    const { token, requests } = await next(t, config)
    assert.match(token, /^access-/)
    assert.equal(requests, 1)
    assert.ok(!JSON.stringify(server.tokenRequests.at(-1)).includes('planted'))
  })
})

test('a plain token is used with acceptPlainTokens, and encrypted at the next save', async (t) => {
  const path = join(folderFor(t), 'cache.json')
  const storage = { kind: 'file', path, acceptPlainTokens: true }
  // The default service has its record in the file itself.
  const config = configAt(server, { service: 'external_api', storage, encryptionKey })
  const put = (record) =>
    writeFileSync(path, JSON.stringify({ version: 1, services: { [config.service]: record } }))
  put({ token: 'by-hand', expiresAt: '2099-01-01T00:00:00Z' })
  const { service, token, requests } = await next(t, config)
  assert.deepEqual({ token, requests }, { token: 'by-hand', requests: 0 })
  await service.refresh()
  assert.match(JSON.parse(readFileSync(path, 'utf8')).services[config.service].token, /^et1\./)
})

test('acceptPlainTokens is true or false, and not for memory', () => {
  const refused = (storage) =>
    assert.throws(() => initializeTokenService(configAt(server, { storage })), { code: 'ERR_TOKEN_CONFIG' })
  refused({ kind: 'file', acceptPlainTokens: 'yes' })
  refused({ kind: 'memory', acceptPlainTokens: true })
})

test('forty services with keys of their own cost less than a megabyte each', {
  timeout: 60_000,
}, async (t) => {
  const source = `
    import { initializeTokenService } from 'evertoken'
    const one = (name) => initializeTokenService({
      service: name, clientSecret: name, storage: { kind: 'file', path: ${JSON.stringify(join(folderFor(t), 'cache.json'))} },
    }).getToken()
    await one('the first')
    const before = process.memoryUsage().rss
    await Promise.all(Array.from({ length: 40 }, (_, n) => one('tenant ' + n)))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    console.log((process.memoryUsage().rss - before) / 40e6)
  `
  const { code, stdout, stderr } = await runScript(source, { env: clientEnvironment(server) })
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.ok(Number(stdout) < 1, `${stdout} MB for each service`)
})
