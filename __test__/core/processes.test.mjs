import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startMockTokenServer } from 'evertoken/testing'

const worker = fileURLToPath(new URL('../support/processes-worker.cjs', import.meta.url))

for (const [kind, name] of [
  ['file', 'token-cache.json'],
  ['sqlite', 'token-cache.db'],
]) {
  describe(`processes that share a ${kind} store`, { concurrency: 2 }, () => {
    /** A folder, a server and a way to start processes, all gone with the test. */
    async function setUp(t, serverOptions, configuration = {}) {
      const folder = mkdtempSync(join(tmpdir(), 'evertoken-processes-'))
      const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20, ...serverOptions })
      const children = []
      t.after(() => {
        for (const child of children) child.kill('SIGKILL')
        server.close()
        rmSync(folder, { recursive: true, force: true })
      })
      const config = {
        authUrl: server.tokenUrl,
        clientId: 'app',
        clientSecret: 'a client secret',
        clientAuthentication: 'client_secret_basic',
        storage: { kind, path: join(folder, name) },
        ...configuration,
      }
      const begin = async () => {
        const child = fork(worker, {
          env: { ...process.env, EVERTOKEN_TEST_CONFIG: JSON.stringify(config) },
        })
        children.push(child)
        await once(child, 'message')
        return child
      }
      return { folder, server, begin }
    }

    async function answer(child, message) {
      const answered = once(child, 'message')
      child.send(message)
      return (await answered)[0]
    }

    test('another takes over at once if one is killed during its request', async (t) => {
      const { server, folder, begin } = await setUp(t, {}, { timeoutMs: 60_000 })
      const [holder, heir] = [await begin(), await begin()]
      server.script({ hold: true })
      holder.send({ callers: 1 })
      await server.waitForRequests(1)
      const heirs = answer(heir, { callers: 1 })
      const killed = performance.now()
      holder.kill('SIGKILL')
      const { without, header } = await heirs
      const waited = performance.now() - killed
      assert.ok(waited < 5000, `it waited ${waited} ms, and the lease ends after 61 s`)
      assert.equal(without, 0)
      assert.match(header, /^Bearer access-/)
      const ours = new RegExp(`^${name.replace('.', '\\.')}(\\.lock|-wal|-shm)?$`)
      assert.deepEqual(
        readdirSync(folder).filter((file) => !ours.test(file)),
        [],
      )
    })

    test('two hundred that are killed at random times leave an intact store and nothing else', async (t) => {
      const { server, folder, begin } = await setUp(
        t,
        { delayMs: 1 },
        { timeoutMs: 20_000, rateLimit: { attempts: 10_000, perSeconds: 1 } },
      )
      await answer(await begin(), { callers: 1 })
      const rounds = 200
      let last = 0
      const began = performance.now()
      for (let round = 0; round < rounds; round += 1) {
        const child = await begin()
        const asks = server.waitForRequests(server.tokenRequests.length + 1, 5000).catch(() => {})
        child.send({ refreshes: true })
        // Every other one is killed about its request, and the rest at any moment since their start.
        const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
        if (round % 2 === 0) await asks
        await pause(Math.random() * (round % 2 === 0 ? 15 : 60))
        const exit = once(child, 'exit')
        child.kill('SIGKILL')
        await exit
        if (round % 10 !== 9) continue
        const { without, header, status } = await answer(await begin(), { callers: 1 })
        assert.deepEqual(
          [without, status.storage.healthy, status.source],
          [0, true, 'store'],
          `round ${round}`,
        )
        const number = Number(header.match(/^Bearer access-(\d+)-/)[1])
        assert.ok(number >= last, `${header} after ${last}`)
        last = number
      }
      assert.ok(server.tokenRequests.length > rounds / 4, 'they came to ask')
      const seconds = (performance.now() - began) / 1000
      assert.ok(seconds < rounds, `${seconds} s: they waited for the leases of the dead`)
      const survivor = await begin()
      const { status } = await answer(survivor, { refreshes: 2, callers: 1 })
      assert.equal(status.storage.healthy, true)
      const ours = new RegExp(`^${name.replace('.', '\\.')}(\\.lock|\\.lease-[0-9a-f]+|-wal|-shm)?$`)
      const left = readdirSync(folder)
      assert.deepEqual(
        left.filter((file) => !ours.test(file)),
        [],
      )
      assert.ok(
        left.filter((file) => file.includes('.lease-')).length <= 1,
        'the living hold one lease at most',
      )
    })

    test('three hundred services that start and shut down leave no thread and no descriptor', async (t) => {
      if (process.platform !== 'linux') return t.skip('counts what /proc shows')
      const { begin } = await setUp(t, {}, { encryptionKey: '00112233445566778899aabbccddeeff'.repeat(2) })
      const { before, after } = await answer(await begin(), { services: 300 })
      assert.ok(
        after.threads <= before.threads && after.descriptors <= before.descriptors,
        JSON.stringify({ before, after }),
      )
    })

    test('a rejected credential is sent once, restarts included', async (t) => {
      const { server, begin } = await setUp(t, { clients: {} })
      for (let start = 0; start < 4; start += 1) {
        const { without, status } = await answer(await begin(), { callers: 1 })
        assert.equal(without, 1)
        assert.equal(status.lastError.code, 'ERR_TOKEN_CREDENTIALS')
      }
      assert.equal(server.tokenRequests.length, 1)
    })
  })
}
