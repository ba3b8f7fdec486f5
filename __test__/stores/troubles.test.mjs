import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { execFileSync, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { holdExclusively, isMissing } from '../support/sqlite-lock.mjs'
import { startMockTokenServer } from 'evertoken/testing'

const here = fileURLToPath(new URL('.', import.meta.url))
const worker = fileURLToPath(new URL('../support/troubles-worker.mjs', import.meta.url))
const clientSecret = 'a client secret'
const names = { file: 'token-cache.json', sqlite: 'token-cache.db', custom: 'records.json' }

/** The store is looked at every 2.5 s at the latest; the rest is for a busy machine. */
const A_LOOK = 4000

/** Two changes of a file that are nearer to each other may bear the same time. */
const A_TICK = 20

const isRoot = process.getuid?.() === 0
// File modes do not restrict root, so its processes run as another user.
const user = isRoot ? { uid: 65534, gid: 65534 } : {}
const withoutModes = whyNoModes()
const withoutSmallDisk = whyNoSmallDisk()

function whyNoModes() {
  if (process.platform === 'win32') return 'Windows has no modes'
  const { status } = spawnSync(process.execPath, ['--eval', `require('evertoken')`], { cwd: here, ...user })
  return status !== 0 && 'only root can read this folder'
}

function whyNoSmallDisk() {
  if (process.platform !== 'linux' || !isRoot) return 'a small disk needs root, on Linux'
  const folder = fs.mkdtempSync(join(tmpdir(), 'evertoken-mount-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', folder])
  if (status === 0) execFileSync('umount', [folder])
  fs.rmdirSync(folder)
  return status !== 0 && 'root can mount nothing here'
}

/** A folder with a store in it, a server, and a way to start processes; all gone with the test. */
async function setUp(t, kind, server, { asUser = false, onSmallDisk = false } = {}) {
  const home = fs.mkdtempSync(join(tmpdir(), 'evertoken-troubles-'))
  const folder = join(home, 'store')
  const path = join(folder, names[kind])
  const children = []
  const secrets = new Set([clientSecret])
  fs.chmodSync(home, 0o755)
  fs.mkdirSync(folder, { mode: 0o700 })
  if (onSmallDisk) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=700', 'tmpfs', folder])
  if (asUser && isRoot) fs.chownSync(folder, user.uid, user.gid)
  t.after(async () => {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map((child) => child.ended))
    await server.close()
    if (onSmallDisk) execFileSync('umount', [folder])
    fs.rmSync(home, { recursive: true, force: true })
  })
  const config = {
    authUrl: server.tokenUrl,
    clientId: 'app',
    clientSecret,
    clientAuthentication: 'client_secret_basic',
    storage: { kind, path },
  }

  /** A process, as what its service can do: each gives what came of it and how the service stands then. */
  async function begin(more = {}) {
    const env = {
      ...process.env,
      LOG_LEVEL: 'debug',
      EVERTOKEN_TEST_CONFIG: JSON.stringify({ ...config, ...more }),
    }
    const child = fork(worker, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], ...(asUser ? user : {}) })
    Object.assign(child, { printed: '', lines: [], ended: once(child, 'exit') })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (child.printed += text))
    children.push(child)
    const failed = child.ended.then((end) =>
      Promise.reject(new Error(`the process ended: ${end} ${child.printed}`)),
    )
    failed.catch(() => {})
    const answer = () => Promise.race([once(child, 'message').then(([message]) => message), failed])
    await answer()
    const ask = async (deed, argument) => {
      const answered = answer()
      child.send([deed, argument])
      const { lines, ...outcome } = await answered
      child.lines.push(...lines)
      if (deed !== 'header' || !outcome.value) return outcome
      secrets.add(outcome.value.split(' ')[1])
      return { ...outcome, value: outcome.value.replace(/^(Bearer access-\d+)-.+$/, '$1') }
    }
    const deeds = ['header', 'refresh', 'clear', 'fetch', 'schedule']
    return Object.fromEntries(deeds.map((deed) => [deed, (argument) => ask(deed, argument)]))
  }

  /** Nothing was printed past the logger (no unhandled rejection, no panic), and no line contains a secret. */
  function isDiscreet() {
    for (const { printed, lines } of children) {
      assert.equal(printed, '')
      assert.notEqual(lines.length, 0)
      for (const line of lines) {
        assert.ok(![...secrets].some((secret) => line.includes(secret)), 'a line holds a secret')
        assert.doesNotMatch(line, /refresh-[0-9a-f]{8}-/)
      }
    }
  }

  return { path, folder, begin, isDiscreet }
}

/** Asks until the answer is as wanted. */
async function eventually(ask, isWanted, limitMs = A_LOOK) {
  for (const end = performance.now() + limitMs; ; await sleep(50)) {
    const answer = await ask()
    if (isWanted(answer)) return answer
    assert.ok(performance.now() < end, `it never came to be: ${JSON.stringify(answer.status)}`)
  }
}

/** What the server was asked for. */
function counted({ tokenRequests, counts: { logins, refreshes, reuses } }) {
  return { requests: tokenRequests.length, logins, refreshes, reuses }
}

/** A new process finds this token, and makes no request. */
async function isStored(header, begin) {
  const { value, status } = await (await begin()).header()
  assert.deepEqual([value, status.source, status.counters.tokenRequests], [header, 'store', 0])
}

function linkTo(target, path) {
  fs.renameSync(path, `${path}.away`)
  fs.symlinkSync(target, path)
  return () => fs.renameSync(`${path}.away`, path)
}

function changeMode(path, mode) {
  const { mode: before } = fs.statSync(path)
  fs.chmodSync(path, mode)
  return () => fs.chmodSync(path, before)
}

/** Failures of a store: each is caused under a running process, and returns how to end it. */
const faults = [
  {
    when: 'a directory stands in its place',
    cause({ path }) {
      fs.rmSync(path)
      fs.mkdirSync(path)
      return () => fs.rmdirSync(path)
    },
  },
  { when: 'a link stands in its place', cause: ({ path }) => linkTo('nowhere', path) },
  { when: 'its folder may not be entered', asUser: true, cause: ({ folder }) => changeMode(folder, 0o000) },
  // A database that is open already needs no more permissions.
  { when: 'it may not be read', only: 'file', asUser: true, cause: ({ path }) => changeMode(path, 0o000) },
  {
    when: 'its folder may not be written',
    only: 'file',
    asUser: true,
    cause: ({ folder }) => changeMode(folder, 0o500),
  },
  {
    when: 'another program holds it',
    only: 'sqlite',
    skip: isMissing && 'neither Node nor Python opens SQLite databases here',
    cause: ({ path }) => holdExclusively(path),
  },
  {
    when: 'its disk is full',
    onSmallDisk: true,
    cause({ folder }) {
      const filler = join(folder, 'filler')
      assert.throws(
        () => {
          for (;;) fs.appendFileSync(filler, Buffer.alloc(512))
        },
        { code: 'ENOSPC' },
      )
      return () => fs.rmSync(filler)
    },
  },
]

/** What takes a store's content away and leaves a place that can be used, and how many damaged files are kept. */
const losses = [
  { when: 'it is deleted', cause: (path) => fs.rmSync(path), kept: { file: 0, sqlite: 0 } },
  // An empty file is an empty database.
  { when: 'it is emptied', cause: (path) => fs.truncateSync(path), kept: { file: 1, sqlite: 0 } },
  {
    when: 'it is cut in half',
    cause: (path) => fs.truncateSync(path, Math.floor(fs.statSync(path).size / 2)),
    kept: { file: 1, sqlite: 1 },
  },
]

for (const kind of ['file', 'sqlite']) {
  describe(`of the processes that share a ${kind} store,`, { concurrency: 6 }, () => {
    test('one adopts within seconds what another has refreshed, and makes no request', async (t) => {
      const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20 })
      const { begin, isDiscreet } = await setUp(t, kind, server)
      const [one, other] = [await begin(), await begin()]
      for (const service of [one, other]) {
        assert.equal((await service.header()).value, 'Bearer access-1')
        await service.schedule()
      }
      await one.refresh()
      const { status } = await eventually(other.header, ({ value }) => value === 'Bearer access-2')
      assert.deepEqual(
        [status.source, status.counters.tokenRequests, server.tokenRequests.length],
        ['store', 0, 2],
      )
      isDiscreet()
    })

    test('one whose token another has replaced repeats its call with the newer one, and makes no request', async (t) => {
      const server = await startMockTokenServer({ revokesOldTokens: true })
      const { begin, isDiscreet } = await setUp(t, kind, server)
      const [one, other] = [await begin(), await begin()]
      for (const service of [one, other]) await service.header()
      // In one of the rounds the other may happen to look before it calls.
      for (let round = 1; round <= 3; round += 1) {
        await one.refresh()
        assert.equal((await other.fetch(server.apiUrl)).value, 200)
      }
      const { value, status } = await other.header()
      assert.equal(value, (await one.header()).value)
      assert.deepEqual([status.counters.tokenRequests, server.tokenRequests.length], [0, 4])
      assert.ok(status.counters.retriesOn401 >= 1)
      isDiscreet()
    })

    test('none stores again what one has cleared, and all adopt the next token', async (t) => {
      const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20 })
      const { begin, isDiscreet } = await setUp(t, kind, server)
      const [one, other] = [await begin(), await begin()]
      for (const service of [one, other]) {
        assert.equal((await service.header()).value, 'Bearer access-1')
        await service.schedule()
      }
      assert.equal((await one.clear()).status.state, 'missing')
      await sleep(A_LOOK)
      assert.equal(server.tokenRequests.length, 1)
      assert.equal((await (await begin()).header()).value, 'Bearer access-2')
      for (const { header } of [one, other])
        await eventually(header, ({ value }) => value === 'Bearer access-2')
      assert.equal(server.tokenRequests.length, 2)
      isDiscreet()
    })

    test('one that clears on start logs in, and the others adopt its token', async (t) => {
      const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20 })
      const { begin, isDiscreet } = await setUp(t, kind, server)
      const one = await begin()
      assert.equal((await one.header()).value, 'Bearer access-1')
      assert.equal((await (await begin({ clearOnStart: true })).header()).value, 'Bearer access-2')
      await eventually(one.header, ({ value }) => value === 'Bearer access-2')
      assert.equal(server.counts.logins, 2)
      isDiscreet()
    })

    for (const { when, only = kind, asUser, onSmallDisk, cause, ...fault } of faults) {
      if (only !== kind) continue
      const skip = (asUser && withoutModes) || (onSmallDisk && withoutSmallDisk) || fault.skip
      test(`all have their tokens from memory while ${when}, and from the store after that`, {
        skip,
      }, async (t) => {
        const server = await startMockTokenServer()
        const { begin, isDiscreet, ...place } = await setUp(t, kind, server, { asUser, onSmallDisk })
        const service = await begin()
        await service.schedule()
        const { value: old } = await service.header()
        const end = await cause(place)
        let newer
        try {
          assert.equal((await service.header()).value, old)
          assert.equal((await service.refresh()).code, undefined)
          newer = (await eventually(service.header, ({ status }) => !status.storage.healthy)).value
          assert.notEqual(newer, old)
          for (const over = performance.now() + A_LOOK; performance.now() < over; await sleep(50)) {
            const { value, status } = await service.header()
            assert.deepEqual([value, status.storage.healthy], [newer, false])
          }
        } finally {
          await end()
        }
        await eventually(service.header, ({ status }) => status.storage.healthy)
        await isStored(newer, begin)
        assert.equal(server.tokenRequests.length, 2)
        isDiscreet()
      })
    }

    test('none uses a refresh token while the shared store fails', async (t) => {
      const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20 })
      const { path, begin, isDiscreet } = await setUp(t, kind, server)
      const service = await begin()
      await service.header()
      const end = linkTo('nowhere', path)
      assert.equal((await service.refresh()).code, 'ERR_TOKEN_STORAGE')
      assert.deepEqual([(await service.header()).value, server.tokenRequests.length], ['Bearer access-1', 1])
      end()
      assert.equal((await service.refresh()).code, undefined)
      await isStored('Bearer access-2', begin)
      assert.deepEqual(counted(server), { requests: 2, logins: 1, refreshes: 1, reuses: 0 })
      isDiscreet()
    })

    for (const { when, cause, kept } of losses) {
      test(`none loses its token when ${when}, and the next one is stored`, async (t) => {
        const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20 })
        const { path, folder, begin, isDiscreet } = await setUp(t, kind, server)
        const service = await begin()
        await service.schedule()
        await service.header()
        await sleep(A_TICK)
        cause(path)
        const damaged = () => fs.readdirSync(folder).filter((name) => /\.corrupt-\w+\.\w+$/.test(name)).length
        const { value, status } = await eventually(service.header, () => damaged() === kept[kind])
        assert.deepEqual([value, status.storage.healthy], ['Bearer access-1', true])
        // A refresh that waits while the token is stored again may take that for what it wanted.
        await eventually(
          async () => {
            assert.equal((await service.refresh()).code, undefined)
            return service.header()
          },
          (header) => header.value === 'Bearer access-2',
        )
        await isStored('Bearer access-2', begin)
        assert.deepEqual(counted(server), { requests: 2, logins: 1, refreshes: 1, reuses: 0 })
        assert.equal(damaged(), kept[kind])
        isDiscreet()
      })
    }
  })
}

test('one that uses a refresh token after another did adopts the other’s token, and does not log in', async (t) => {
  const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20 })
  // A store of the user's own has no lease, so that two can ask at once.
  const { begin, isDiscreet } = await setUp(t, 'custom', server)
  const [loser, winner] = [await begin(), await begin()]
  for (const service of [loser, winner]) assert.equal((await service.header()).value, 'Bearer access-1')
  server.script({ hold: true })
  const late = loser.refresh()
  await server.waitForRequests(2)
  await winner.refresh()
  server.release()
  assert.equal((await late).code, undefined)
  const { value, status } = await loser.header()
  assert.deepEqual([value, status.source], ['Bearer access-2', 'store'])
  assert.deepEqual(counted(server), { requests: 3, logins: 1, refreshes: 1, reuses: 1 })
  isDiscreet()
})
