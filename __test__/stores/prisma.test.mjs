import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { tokenStoreCases } from 'evertoken/testing'
import { clientEnvironment, runScript } from '../support/child.mjs'
import { configAt, freshName, useTokenServer } from '../support/service.mjs'
import { startPostgres } from '../support/engines.mjs'
import { evertoken, folderFor } from '../support/cli.mjs'
import { generatedClient, migrations, prismaClient, prismaProject } from '../support/prisma.mjs'

const require = createRequire(import.meta.url)
const root = dirname(require.resolve('evertoken/package.json'))
const { prismaStore } = require(join(root, 'lib', 'stores', 'prisma.js'))

const server = useTokenServer()
const project = await prismaProject()
const folder = mkdtempSync(join(tmpdir(), 'evertoken-prisma-'))
const databases = {
  sqlite: { url: `file:${join(folder, 'app.db')}`, reason: project.reason },
  postgresql: project.reason ? { reason: project.reason } : await startPostgres(),
}
after(async () => {
  await databases.postgresql.close?.()
  rmSync(folder, { recursive: true, force: true })
})

/** What stands in a row, as one would write it by hand. */
const byHand = (service, token) => ({ service, token, expiresAt: new Date(Date.now() + 3_600_000) })

/** A record as the core hands it over. */
const someRecord = (token) => ({
  token: `et1.k.AAAAAAAA.${token}`,
  expiresAt: '2030-01-01T00:00:00.000Z',
  refreshToken: null,
  tokenType: 'Bearer',
  createdAt: '2029-01-01T00:00:00.000Z',
  lastUsed: '2029-01-01T00:00:00.000Z',
})

test('Prisma generates a client from the model that init writes', {
  skip: project.reason ?? false,
}, async (t) => {
  const app = folderFor(t)
  mkdirSync(join(app, 'prisma'))
  writeFileSync(join(app, 'package.json'), '{ "dependencies": { "next": "16" } }')
  const schema =
    'generator client {\n  provider = "prisma-client-js"\n  output   = "./by-init"\n}\ndatasource db {\n  provider = "sqlite"\n}\n'
  writeFileSync(join(app, 'prisma', 'schema.prisma'), schema)
  assert.equal((await evertoken(['init', '--prisma', '--yes'], { folder: app })).status, 0)

  const { PrismaClient } = await generatedClient(
    'by-init',
    readFileSync(join(app, 'prisma', 'schema.prisma'), 'utf8'),
  )
  const url = `file:${join(folder, 'by-init.db')}`
  const prisma = new PrismaClient({
    adapter: new (project.require('@prisma/adapter-better-sqlite3').PrismaBetterSqlite3)({ url }),
  })
  t.after(() => prisma.$disconnect())
  for (const statement of migrations.sqlite) await prisma.$executeRawUnsafe(statement)
  const config = configAt(server)
  const service = initializeTokenService(config, true, prisma)
  const token = await service.getToken()
  await service.shutdown()
  const row = await prisma.tokenCache.findUnique({ where: { service: config.service } })
  assert.ok(!JSON.stringify(row).includes(token) && row.expiresAt > new Date())
})

/** What the core asks of a client. */
function prismaRows(client) {
  const { answer } = prismaStore(client)
  return {
    get: (service) => answer({ operation: 'get', service }),
    set: (service, record, replaced) => answer({ operation: 'set', service, record, replaced }),
    delete: (service) => answer({ operation: 'delete', service }),
  }
}

for (const [provider, { url, reason }] of Object.entries(databases)) {
  describe(`a Prisma client over ${provider}`, { skip: reason ?? false }, () => {
    let prisma
    let service
    let config
    before(async () => {
      prisma = await prismaClient(provider, url)
      for (const statement of migrations[provider]) await prisma.$executeRawUnsafe(statement)
    })
    after(() => prisma?.$disconnect())
    beforeEach(() => {
      config = configAt(server)
    })

    /** A service over this client, which ends with the test. */
    function begin(t, client = prisma, more = {}) {
      service = initializeTokenService({ ...config, ...more }, true, client)
      t.after(() => service.shutdown())
      return service
    }
    /** One that takes a plain token from the table. */
    function beginAccepting(t) {
      service = initializeTokenService({
        ...config,
        storage: { kind: 'prisma', client: prisma, acceptPlainTokens: true },
      })
      t.after(() => service.shutdown())
      return service
    }
    const row = () => prisma.tokenCache.findUnique({ where: { service: config.service } })
    const requests = () => server.tokenRequests.length

    test('keeps one encrypted row for a service, with the columns of the model', async (t) => {
      const earlier = requests()
      const token = await begin(t).getToken()
      assert.equal(requests() - earlier, 1)
      const { id, expiresAt, createdAt, lastUsed, refreshToken, tokenType, ...texts } = await row()
      assert.ok(id.length > 10)
      assert.ok([expiresAt, createdAt, lastUsed].every((moment) => moment instanceof Date))
      assert.equal(expiresAt.toISOString(), service.status().expiresAt)
      assert.deepEqual({ refreshToken, tokenType }, { refreshToken: null, tokenType: 'Bearer' })
      assert.equal(texts.service, config.service)
      assert.match(texts.token, /^et1\.k\.[\w-]+\.[\w-]+$/)
      assert.ok(!JSON.stringify(texts).includes(token))
      assert.deepEqual(service.status().storage, {
        kind: 'prisma',
        location: 'Prisma client',
        encrypted: true,
        healthy: true,
      })
      assert.equal(await prisma.tokenCache.count({ where: { service: config.service } }), 1)
    })

    test('passes the token to other processes, which make no request and exit', async () => {
      const name = freshName()
      const source = `
        import { getAuthHeaders, getTokenService, initializeTokenService } from 'evertoken'
        import { prismaClient } from './__test__/support/prisma.mjs'
        const prisma = await prismaClient(${JSON.stringify(provider)}, ${JSON.stringify(url)})
        initializeTokenService({ service: ${JSON.stringify(name)} }, true, prisma)
        const { Authorization } = await getAuthHeaders(${JSON.stringify(name)})
        console.log(JSON.stringify([Authorization, getTokenService(${JSON.stringify(name)}).status().strategy]))
        ${provider === 'sqlite' ? '' : 'await prisma.$disconnect()'}
      `
      const earlier = requests()
      const runs = []
      for (let run = 0; run < 2; run += 1)
        runs.push(await runScript(source, { env: clientEnvironment(server) }))
      for (const { code, signal, stderr } of runs) {
        assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
      }
      assert.equal(requests() - earlier, 1)
      assert.equal(runs[0].stdout, runs[1].stdout)
      const [Authorization, strategy] = JSON.parse(runs[1].stdout)
      assert.match(Authorization, /^Bearer access-/)
      assert.equal(strategy.grant, 'client_credentials')
    })

    test('serves processes that start at the same time, with one request', async () => {
      const earlier = requests()
      const source = `
        import { getAuthHeaders, initializeTokenService } from 'evertoken'
        import { prismaClient } from './__test__/support/prisma.mjs'
        const prisma = await prismaClient(${JSON.stringify(provider)}, ${JSON.stringify(url)})
        const service = initializeTokenService({ service: ${JSON.stringify(config.service)} }, true, prisma)
        console.log((await getAuthHeaders(${JSON.stringify(config.service)})).Authorization)
        // Its looks would connect the client again.
        await service.shutdown()
        await prisma.$disconnect()
      `
      const runs = await Promise.all(
        [1, 2, 3, 4].map(() => runScript(source, { env: clientEnvironment(server) })),
      )
      for (const { code, signal, stdout, stderr } of runs) {
        assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
        assert.match(stdout, /^Bearer access-/)
      }
      assert.equal(requests() - earlier, 1)
      assert.match((await row()).token, /^et1\./)
    })

    test('passes a later token to a service whose own is refused', async (t) => {
      await beginAccepting(t).getToken()
      const earlier = requests()
      server.revokeAll()
      await prisma.tokenCache.update({
        where: { service: config.service },
        data: byHand(config.service, 'from-elsewhere'),
      })
      await service.fetch(server.apiUrl)
      assert.equal(server.apiRequests.at(-1).headers.authorization, 'Bearer from-elsewhere')
      assert.equal(await service.getToken(), 'from-elsewhere')
      assert.equal(requests() - earlier, 0)
    })

    test('may contain a plain token if that is accepted, which is encrypted at the next save', async (t) => {
      await prisma.tokenCache.create({ data: byHand(config.service, 'by~hand') })
      const earlier = requests()
      assert.equal(await beginAccepting(t).getToken(), 'by~hand')
      assert.equal(service.status().source, 'store')
      assert.equal(requests() - earlier, 0)
      await service.refresh()
      assert.match((await row()).token, /^et1\./)
    })

    test('whose row is deleted writes it again at the next refresh', async (t) => {
      const token = await begin(t).getToken()
      await prisma.tokenCache.deleteMany({ where: { service: config.service } })
      assert.equal(await service.getToken(), token)
      await service.refresh()
      assert.match((await row()).token, /^et1\./)
    })

    test('marks the row of a cleared token as removed, for the other processes', async (t) => {
      const source = `
        import { initializeTokenService } from 'evertoken'
        import { prismaClient } from './__test__/support/prisma.mjs'
        const prisma = await prismaClient(${JSON.stringify(provider)}, ${JSON.stringify(url)})
        const service = initializeTokenService({ service: ${JSON.stringify(config.service)} }, true, prisma)
        service.on('cleared', () => (console.log('cleared'), process.exit(0)))
        await service.getToken()
        setTimeout(() => process.exit(1), 15_000)
      `
      const other = runScript(source, { env: clientEnvironment(server) })
      // The other process writes meanwhile: the database may be busy.
      const found = () => row().catch(() => null)
      while ((await found()) === null) await new Promise((resolve) => setTimeout(resolve, 200))
      await begin(t, prisma, { clientId: 'child', clientSecret: 'the-child-secret' }).getToken()
      await service.clear()
      const { code, stdout, stderr } = await other
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'cleared\n', stderr: '' })
      const { token, refreshToken } = await row()
      assert.match(token, /^removed [\da-f]{16}$/)
      assert.equal(refreshToken, null)
    })

    test('whose row cannot be decrypted is not used, and gets a new token', async (t) => {
      await prisma.tokenCache.create({ data: byHand(config.service, 'et1.k.AAAAAAAA.AAAA') })
      assert.match(await begin(t).getToken(), /^access-/)
      assert.notEqual((await row()).token, 'et1.k.AAAAAAAA.AAAA')
      assert.equal(service.status().storage.healthy, true)
    })

    test('that fails costs no caller a token, and recovers automatically', async (t) => {
      const broken = await prismaClient(
        provider,
        provider === 'sqlite' ? 'file:/no/such/folder/app.db' : url.replace(/:\d+\//, ':9/'),
      )
      let current = broken
      const switched = {
        get tokenCache() {
          return current.tokenCache
        },
      }
      const token = await begin(t, switched).getToken()
      assert.match(token, /^access-/)
      assert.equal(service.status().storage.healthy, false)
      const error = await service.clear().then(
        () => assert.fail('no error'),
        (thrown) => thrown,
      )
      assert.equal(error.code, 'ERR_TOKEN_STORAGE')
      assert.match(error.message, /^the Prisma client: it threw [A-Z]\w+( \(\w+\))?$/)
      current = prisma
      await service.refresh()
      assert.equal(service.status().storage.healthy, true)
      assert.match((await row()).token, /^et1\./)
      await broken.$disconnect()
    })

    test('that omits secrets by default returns them here', async (t) => {
      const omit = { tokenCache: { token: true, refreshToken: true } }
      const careful = await prismaClient(provider, url, { omit })
      t.after(() => careful.$disconnect())
      const token = await begin(t, careful).getToken()
      await service.shutdown()
      const earlier = requests()
      assert.equal(await begin(t, careful).getToken(), token)
      assert.equal(requests() - earlier, 0)
    })

    test('lets one of several writers of the same row win, and reports a conflict to the others', async () => {
      const writers = ['one', 'two', 'three', 'four', 'five', 'six'].map((name) => ({
        name,
        to: prismaRows(prisma),
      }))
      for (const round of ['first', 'second']) {
        const seen = (await writers[0].to.get(config.service))?.token ?? null
        assert.equal(seen === null, round === 'first')
        const record = (name) => someRecord(`${round}-${name}`)
        const ends = await Promise.all(
          writers.map(({ name, to }) => to.set(config.service, record(name), seen)),
        )
        assert.equal(ends.filter((end) => end === 'stored').length, 1, ends.join())
        const { name } = writers[ends.indexOf('stored')]
        assert.deepEqual(await writers[0].to.get(config.service), record(name))
      }
      assert.equal(await writers[0].to.set(config.service, someRecord('any'), undefined), 'stored')
      await writers[0].to.delete(config.service)
    })

    test('without createMany and updateMany is enough', async (t) => {
      const { tokenCache } = prisma
      const few = {
        tokenCache: Object.fromEntries(
          ['findUnique', 'upsert', 'deleteMany'].map((name) => [name, (args) => tokenCache[name](args)]),
        ),
      }
      await begin(t, few).getToken()
      const before = (await row()).token
      await service.refresh()
      assert.notEqual((await row()).token, before)
      assert.equal(service.status().storage.healthy, true)
    })

    describe('passes the cases for stores', () => {
      for (const { name, run } of tokenStoreCases) {
        test(name, () =>
          run(() => {
            const { get, set, delete: remove } = prismaRows(prisma)
            return { get, set: (of, record) => set(of, record, undefined), delete: remove }
          }),
        )
      }
    })
  })
}

test('a busy database is retried, and one that fails is not', async () => {
  const calls = []
  const clientThrowing = (...codes) => {
    const answer = (name, ok) => async () => {
      calls.push(name)
      if (codes.length > 0) throw Object.assign(new Error('scripted'), { code: codes.shift() })
      return ok
    }
    return {
      tokenCache: {
        findUnique: answer('findUnique', null),
        upsert: answer('upsert', {}),
        deleteMany: answer('deleteMany', { count: 0 }),
        updateMany: answer('updateMany', { count: 1 }),
      },
    }
  }
  assert.equal(await prismaRows(clientThrowing('P1008', 'SQLITE_BUSY')).get('a'), null)
  await prismaRows(clientThrowing('P2034')).delete('a')
  assert.equal(
    await prismaRows(clientThrowing('P1008')).set('a', someRecord('a'), someRecord('b').token),
    'stored',
  )
  assert.equal(await prismaRows(clientThrowing('P1008', 'P2002')).set('a', someRecord('a'), null), 'conflict')
  await assert.rejects(prismaRows(clientThrowing('P1001')).get('a'), { code: 'P1001' })
  await assert.rejects(prismaRows(clientThrowing(...Array(1000).fill('P1008'))).delete('a'), {
    code: 'P1008',
  })
  assert.deepEqual(calls.slice(0, 9), [
    'findUnique',
    'findUnique',
    'findUnique',
    'deleteMany',
    'deleteMany',
    'updateMany',
    'updateMany',
    'upsert',
    'upsert',
  ])
  assert.ok(calls.length < 100)
})

test('the types accept a generated client', { skip: project.reason ?? false }, () => {
  const source = `
    import { initializeTokenService, type PrismaTokenClient } from 'evertoken'
    import { PrismaClient } from ${JSON.stringify(join(project.folder, 'sqlite', 'index.js'))}
    declare const prisma: PrismaClient
    export const client: PrismaTokenClient = prisma
    initializeTokenService({}, true, prisma)
    initializeTokenService({ storage: { kind: 'prisma', client: prisma.$extends({}) } })
  `
  writeFileSync(join(folder, 'client.mts'), source)
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    module: 'nodenext',
    target: 'es2023',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: { evertoken: [join(root, 'index.d.ts')] },
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['client.mts'] }))
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})
