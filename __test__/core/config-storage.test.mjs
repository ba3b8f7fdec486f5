import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { configErrorOf } from '../support/config-error.mjs'
import { configAt, useTokenServer } from '../support/service.mjs'

// Tested directly, because the core refuses some of the kinds.
const { storageFromDatabase } = createRequire(import.meta.url)('../../lib/config/storage.js')

const server = useTokenServer()

afterEach(cleanEnvironment)

/** On Windows an absolute `file:` URL names a drive, which these do not. */
const isOfThisPlatform = (text) => process.platform !== 'win32' || !text.startsWith('file:///')

/** Changes to a temporary folder until the test ends. */
function moveToFreshFolder(t) {
  const [home, folder] = [process.cwd(), mkdtempSync(join(tmpdir(), 'evertoken-'))]
  process.chdir(folder)
  t.after(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true })
  })
  return folder
}

describe('the third argument', () => {
  const places = {
    'left out': [[], './data/token-cache.db'],
    'a path': [['./tokens.db'], './tokens.db'],
    'a file: URL': [['file:./dev.db?connection_limit=1'], './dev.db'],
    'a sqlite: URL': [['sqlite:./own.db'], './own.db'],
  }
  for (const [name, [database, location]] of Object.entries(places)) {
    test(`that is ${name} names a SQLite database`, async (t) => {
      moveToFreshFolder(t)
      const service = initializeTokenService(configAt(server), true, ...database)
      t.after(() => service.shutdown())
      const { storage } = service.status()
      assert.deepEqual([storage.kind, storage.location, storage.encrypted], ['sqlite', location, true])
    })
  }

  const urls = {
    postgres: ['postgres://u:p4ssword@127.0.0.1:9/app', 'postgres://127.0.0.1:9/app'],
    redis: ['redis://u:p4ssword@127.0.0.1:9/2', 'redis://127.0.0.1:9/2'],
  }
  for (const [kind, [url, location]] of Object.entries(urls)) {
    test(`that is a ${kind} URL names a ${kind} storage, without its password`, (t) => {
      const service = initializeTokenService(configAt(server), true, url)
      t.after(() => service.shutdown())
      const { storage } = service.status()
      assert.deepEqual([storage.kind, storage.location, storage.encrypted], [kind, location, true])
    })
  }

  const provided = {
    prisma: { tokenCache: { findUnique() {}, upsert() {}, deleteMany() {} } },
    custom: new (class {
      get() {}
      set() {}
      delete() {}
    })(),
  }
  for (const [kind, database] of Object.entries(provided)) {
    test(`that is an object with the functions of a ${kind} storage names one`, (t) => {
      const service = initializeTokenService(configAt(server), true, database)
      t.after(() => service.shutdown())
      assert.equal(service.status().storage.kind, kind)
    })
  }

  const paths = {
    './tokens.db': './tokens.db',
    'C:\\data\\tokens.db': 'C:\\data\\tokens.db',
    'sqlite:./tokens.db': './tokens.db',
    'sqlite:///var/lib/tokens.db': '/var/lib/tokens.db',
    'file:./dev.db?connection_limit=1': './dev.db',
    'file:///var/lib/dev%20.db': '/var/lib/dev .db',
  }
  for (const [database, path] of Object.entries(paths).filter(([database]) => isOfThisPlatform(database))) {
    test(`that is ${database} names the file ${path}`, () => {
      assert.deepEqual(storageFromDatabase(database), { kind: 'sqlite', path })
    })
  }

  test('that is left out names the file ./data/token-cache.db', () => {
    assert.deepEqual(storageFromDatabase(undefined), { kind: 'sqlite', path: './data/token-cache.db' })
  })

  test('that is something else is refused', () => {
    for (const database of [
      7,
      {},
      { tokenCache: {} },
      '',
      'mysql://u:the-database-password@db/app',
      null,
      undefined,
    ]) {
      const error = configErrorOf(() => initializeTokenService(configAt(server), true, database))
      assert.equal(error.field, 'database')
      assert.ok(!error.message.includes('the-database-password'))
    }
  })

  test('that is a wrong URL is named by the error, and no part of it is shown', () => {
    for (const url of [
      'postgres://u:p@the-password/word@h/app',
      'postgres://u:p@the-password?word@h/app',
      'redis://u:p@the-password?db=word@h',
    ]) {
      const error = configErrorOf(() => initializeTokenService(configAt(server), true, url))
      assert.equal(error.field, 'storage.url')
      assert.match(error.message, /^storage\.url \(database\) has a \/ or \? before an @/)
      assert.ok(!error.message.includes('the-password'))
    }
  })

  test('is ignored without the second', (t) => {
    const service = initializeTokenService(configAt(server), false, 7)
    t.after(() => service.shutdown())
    assert.equal(service.status().storage.kind, 'memory')
  })
})

test('without a storage, the token is kept in ./data/token-cache.json, and those of other services next to it', async (t) => {
  const folder = moveToFreshFolder(t)
  for (const [name, file] of [
    ['external_api', 'token-cache.json'],
    ['Q 7', join('token-cache.json.d', '%51%207.json')],
  ]) {
    const service = initializeTokenService(configAt(server, { service: name, storage: undefined }))
    await service.getToken()
    const { location } = service.status().storage
    await service.shutdown()
    assert.ok(location.endsWith(file), location)
    assert.ok(existsSync(join(folder, 'data', file)))
  }
})
