// A thousand services in one process: what they take together, in counts and in memory. Times are in bench/.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { runScript } from '../support/child.mjs'

const SERVICES = 1_000
/** Of 16 requests at once, a connection and a lease each; two files of each of 12 threads; SQLite, and the runtime. */
const OPEN_FILES = 64
const LINUX_ONLY = process.platform === 'linux' ? false : 'only Linux lists open files and threads'

/** A token server that counts. */
async function countingServer() {
  const counts = { requests: 0, underWay: 0, atOnce: 0, open: 0, sockets: 0 }
  const server = createServer((request, response) => {
    counts.requests += 1
    counts.underWay += 1
    counts.atOnce = Math.max(counts.atOnce, counts.underWay)
    request.resume()
    const body = `{"access_token":"token-${counts.requests}","token_type":"Bearer","expires_in":3600}`
    setImmediate(() => {
      counts.underWay -= 1
      response.setHeader('content-type', 'application/json').end(body)
    })
  })
  server.on('connection', (socket) => {
    counts.open += 1
    counts.sockets = Math.max(counts.sockets, counts.open)
    socket.once('close', () => (counts.open -= 1))
  })
  await new Promise((resolve) => server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${server.address().port}/token`, counts, close }
}

/** What the scripts have in common. */
const prelude = (url, folder, storage) => `
  import { readdirSync, readFileSync } from 'node:fs'
  import { stat } from 'node:fs/promises'
  import { setTimeout as sleep } from 'node:timers/promises'
  import { getAuthHeaders, getTokenService, initializeTokenService } from 'evertoken'
  const storage = ${JSON.stringify({ kind: storage, ...(storage === 'memory' ? {} : { path: join(folder, `store.${storage}`) }) })}
  const start = (name) =>
    initializeTokenService({ service: name, authUrl: '${url}', clientId: name, clientSecret: 'secret of ' + name, storage })
  const names = (from, to) => Array.from({ length: to - from }, (_, index) => 'tenant-' + (from + index))
  const serve = async (names, atOnce = names.length) => {
    names.forEach(start)
    let served = 0
    for (let from = 0; from < names.length; from += atOnce) {
      const headers = await Promise.all(names.slice(from, from + atOnce).map((name) => getAuthHeaders(name)))
      served += headers.filter(({ Authorization }) => Authorization !== undefined).length
    }
    return served
  }
  const memory = async () => {
    for (let round = 0; round < 5; round += 1) {
      globalThis.gc()
      await sleep(50)
    }
    if (process.platform !== 'linux') return process.memoryUsage.rss() / 1024
    // Without pages of files: those are code, and come and go with the disk cache.
    return Number(/^RssAnon:\\s*(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  }
  const count = (folder) => (process.platform === 'linux' ? readdirSync(folder).length : 0)
  const open = () => ({ files: count('/proc/self/fd'), threads: count('/proc/self/task') })
  /** Calls \`work\`, and returns the largest numbers of open files and threads meanwhile. */
  const peakDuring = async (work) => {
    const peak = open()
    const look = setInterval(() => {
      const now = open()
      for (const key of Object.keys(peak)) peak[key] = Math.max(peak[key], now[key])
    }, 5)
    await work()
    clearInterval(look)
    return peak
  }
  // What Node takes in any busy program: threads, and its space for new objects.
  await stat('.')
  let last
  for (let round = 0; round < 200_000; round += 1) last = new Array(100).fill(last?.length)
`

/** Runs a script that prints JSON. Node's space for new objects is fixed, so that it does not grow meanwhile. */
async function measure(source) {
  const { code, stdout, stderr } = await runScript(source, {
    args: ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16'],
    timeoutMs: 120_000,
  })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

// Pages of memory, and so also what the allocator and the engine keep after all services were served at once. What a
// service itself takes is counted by `tests/memory.rs`.
for (const [storage, kbEach] of [
  ['memory', 20],
  ['file', 26],
  ['sqlite', 26],
]) {
  describe(`a thousand services with storage ${storage}`, () => {
    let folder
    let server
    let found
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'evertoken-scale-'))
      server = await countingServer()
      found = await measure(`
        ${prelude(server.url, folder, storage)}
        const bare = open()
        let served = 0
        const few = await peakDuring(async () => (served += await serve(names(0, 100))))
        const began = await memory()
        const many = await peakDuring(async () => (served += await serve(names(100, ${SERVICES}))))
        const kbEach = ((await memory()) - began) / ${SERVICES - 100}
        console.log(JSON.stringify({ bare, few, many, served, kbEach }))
        process.exit(0)
      `)
    })
    after(async () => {
      await server?.close()
      rmSync(folder, { recursive: true, force: true })
    })

    test('are served, with one token request each', () => {
      assert.equal(found.served, SERVICES)
      assert.equal(server.counts.requests, SERVICES)
    })

    test('have at most 16 requests under way', () => {
      assert.ok(server.counts.atOnce <= 16, `${server.counts.atOnce} requests at once`)
    })

    // A connection that is being opened while another becomes free is kept for the next request.
    test('use at most 32 connections', () => {
      assert.ok(server.counts.sockets <= 32, `${server.counts.sockets} connections at once`)
    })

    test('use at most 16 threads', { skip: LINUX_ONLY }, () => {
      const threads = found.many.threads - found.bare.threads
      assert.ok(threads <= 16, `${threads} threads`)
    })

    test('open no more files than a hundred do', { skip: LINUX_ONLY }, () => {
      const [few, many] = [found.few, found.many].map(({ files }) => files - found.bare.files)
      assert.ok(many <= OPEN_FILES, `${many} open files`)
      // The connections of the two peaks differ, as those of a hundred services are soon done.
      assert.ok(many <= few + 16, `${many} open files with a thousand services, ${few} with a hundred`)
    })

    test(`take at most ${kbEach} KB of memory each`, () => {
      assert.ok(found.kbEach <= kbEach, `${found.kbEach.toFixed(1)} KB each`)
    })
  })
}

test('services that were shut down leave no memory behind', async (t) => {
  const server = await countingServer()
  t.after(() => server.close())
  // The allocator keeps what the first rounds took, and now and then a little more. Half of what a service takes, 4 KB,
  // would be 16,000 KB in each three rounds.
  const { kb, isLevel } = await measure(`
    ${prelude(server.url, '', 'memory')}
    const kb = []
    const isLevel = () => kb.length >= 5 && Math.max(...kb.slice(-3)) - Math.min(...kb.slice(-3)) < 1_800
    while (kb.length < 15 && !isLevel()) {
      const all = names(kb.length * 2_000, (kb.length + 1) * 2_000)
      // A few at once, so that the allocator is not asked for more in one round than in another.
      if ((await serve(all, 50)) !== 2_000) throw new Error('not all were served')
      await Promise.all(all.map((name) => getTokenService(name).shutdown()))
      kb.push(await memory())
    }
    console.log(JSON.stringify({ kb, isLevel: isLevel() }))
    process.exit(0)
  `)
  assert.equal(server.counts.requests, kb.length * 2_000)
  assert.ok(isLevel, `KB after each round: ${kb.map(Math.round)}`)
})
