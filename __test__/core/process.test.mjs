import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import * as imported from 'evertoken'
import { clientEnvironment, runScript } from '../support/child.mjs'
import { secondCopy } from '../support/copies.mjs'
import { configAt, serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()
const require = createRequire(import.meta.url)

/** Runs a script that is to end by itself, without an error; what it printed, parsed. */
async function outputOf(source, options) {
  const { code, signal, stdout, stderr } = await runScript(source, options)
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  return JSON.parse(stdout)
}

/** A script that has a token server of its own, in `server`, and a service at it, in `service`. */
const withServer = `
  import { getAuthHeaders, getTokenService, initializeTokenService, startTokenScheduler } from 'evertoken'
  import { Worker } from 'node:worker_threads'
  import { once } from 'node:events'
  const { startMockTokenServer } = await import('evertoken/testing')
  const server = await startMockTokenServer()
  const config = { authUrl: server.tokenUrl, clientId: 'child', clientSecret: 'the-child-secret' }
  const inWorker = (source, workerData) => {
    const worker = new Worker(source, { eval: true, execArgv: [], workerData: { config, api: server.apiUrl, ...workerData } })
    worker.on('error', (error) => { throw error })
    return worker
  }
`

describe('the four lines', () => {
  const check = `
    const response = await fetch(process.env.API, { headers: await getAuthHeaders() })
    console.log(JSON.stringify({ status: response.status, running: getTokenService().status().scheduler.running }))
  `
  const env = () => ({ ...clientEnvironment(server), API: server.apiUrl })

  test('work from an ES module, and the process ends by itself while the scheduler runs', async () => {
    const source = `
      import { initializeTokenService, getAuthHeaders, getTokenService, startTokenScheduler } from 'evertoken'
      initializeTokenService()
      startTokenScheduler()
      ${check}
    `
    assert.deepEqual(await outputOf(source, { env: env() }), { status: 200, running: true })
  })

  test('work from CommonJS', async () => {
    const source = `
      import { createRequire } from 'node:module'
      const require = createRequire(process.cwd() + '/')
      const { initializeTokenService, getAuthHeaders, getTokenService, startTokenScheduler } = require('evertoken')
      initializeTokenService().on('refreshed', () => {})
      startTokenScheduler({ refreshIntervalSeconds: 1, healthCheckIntervalSeconds: 1 })
      ${check}
    `
    assert.deepEqual(await outputOf(source, { env: env() }), { status: 200, running: true })
  })

  test('work without the first of them: the header call initializes from the environment', async () => {
    const source = `
      import { getAuthHeaders, getTokenService } from 'evertoken'
      const before = getTokenService()
      ${check.replace('JSON.stringify({', 'JSON.stringify({ before,')}
    `
    assert.deepEqual(await outputOf(source, { env: env() }), { before: null, status: 200, running: false })
  })

  test('reject with what is missing from an empty environment', async () => {
    const source = `
      import { getAuthHeaders } from 'evertoken'
      const { code, field, message } = await getAuthHeaders().catch((error) => error)
      console.log(JSON.stringify({ code, field, message }))
    `
    const { code, field, message } = await outputOf(source)
    assert.deepEqual({ code, field }, { code: 'ERR_TOKEN_CONFIG', field: 'authUrl' })
    assert.match(message, /EXTERNAL_AUTH_URL/)
  })
})

describe('a process', () => {
  test('lives as long as a caller waits for a token, and no longer', async () => {
    const source = `${withServer}
      server.hold()
      const waiting = initializeTokenService(config).getAuthHeaders()
      await server.waitForRequests(1)
      setTimeout(() => server.release(), 50)
      const { Authorization } = await waiting
      await server.close()
      console.log(JSON.stringify(Authorization.startsWith('Bearer access-1-')))
    `
    assert.equal(await outputOf(source), true)
  })

  test('that waits for a token from another process is kept alive only by that', async () => {
    server.hold()
    const before = server.tokenRequests.length
    const waiting = outputOf(
      `import { getAuthHeaders } from 'evertoken'
      console.log(JSON.stringify(await getAuthHeaders()))`,
      { env: clientEnvironment(server) },
    )
    await server.waitForRequests(before + 1)
    server.release()
    assert.match((await waiting).Authorization, /^Bearer access-/)
  })

  test('may exit during a refresh', async () => {
    const source = `${withServer}
      server.hold()
      const service = initializeTokenService(config)
      startTokenScheduler()
      service.refresh()
      const waiting = [service.getAuthHeaders(), getAuthHeaders(), service.fetch(server.apiUrl)]
      await server.waitForRequests(1)
      process.exit(7)
    `
    const { code, signal, stderr } = await runScript(source)
    assert.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' })
  })

  test('may end with an error during a refresh', async () => {
    const source = `${withServer}
      server.hold()
      initializeTokenService(config).getToken()
      await server.waitForRequests(1)
      throw new Error('on purpose')
    `
    const { code, signal, stderr } = await runScript(source)
    assert.deepEqual({ code, signal }, { code: 1, signal: null })
    assert.match(stderr, /on purpose/)
  })

  test('may terminate a worker during a refresh, which then serves the others', async () => {
    const source = `${withServer}
      for (let round = 1; round <= 5; round += 1) {
        server.hold()
        const worker = inWorker(\`
          const { workerData, parentPort } = require('node:worker_threads')
          const service = require('evertoken').initializeTokenService(workerData.config)
          service.on('refreshed', () => {})
          service.refresh()
          for (let caller = 0; caller < 100; caller += 1) service.getAuthHeaders()
        \`)
        await server.waitForRequests(round)
        await worker.terminate()
        server.release()
        const { Authorization } = await initializeTokenService(config).getAuthHeaders()
        if (!Authorization.startsWith('Bearer access-' + round)) throw new Error(Authorization)
        await getTokenService().clear()
      }
      console.log(JSON.stringify(server.tokenRequests.length))
      await server.close()
    `
    assert.equal(await outputOf(source), 5)
  })

  test('has one service for a name, in all threads', async () => {
    const source = `${withServer}
      const service = initializeTokenService(config)
      const ask = \`
        const { workerData, parentPort } = require('node:worker_threads')
        const { getAuthHeaders, getTokenService, initializeTokenService } = require('evertoken')
        const found = getTokenService()
        Promise.all([getAuthHeaders(), getTokenService().getToken()]).then(async ([headers, token]) => {
          const { status } = await found.fetch(workerData.api)
          const created = initializeTokenService(workerData.config) !== found
          parentPort.postMessage({ headers, token, created, status, name: found.name })
        })
      \`
      const answers = await Promise.all([1, 2, 3].map(async () => (await once(inWorker(ask), 'message'))[0]))
      const Authorization = (await service.getAuthHeaders()).Authorization
      console.log(JSON.stringify({
        same: answers.every(({ headers, token }) => headers.Authorization === Authorization && Authorization === 'Bearer ' + token),
        created: answers.map(({ created }) => created),
        statuses: answers.map(({ status }) => status),
        names: answers.map(({ name }) => name),
        requests: server.tokenRequests.length,
      }))
      await server.close()
    `
    assert.deepEqual(await outputOf(source), {
      same: true,
      created: [false, false, false],
      statuses: [200, 200, 200],
      names: ['external_api', 'external_api', 'external_api'],
      requests: 1,
    })
  })

  test('gives every thread the new token, and the shutdown, as soon as one causes it', async () => {
    const source = `${withServer}
      const service = initializeTokenService(config)
      await getAuthHeaders()
      const worker = inWorker(\`
        const { parentPort } = require('node:worker_threads')
        const { getAuthHeaders } = require('evertoken')
        parentPort.on('message', () => getAuthHeaders().then(
          (headers) => parentPort.postMessage(headers.Authorization),
          (error) => parentPort.postMessage(error.code),
        ))
      \`)
      const answer = async () => {
        worker.postMessage('ask')
        return (await once(worker, 'message'))[0]
      }
      const answers = [await answer()]
      await service.refresh()
      answers.push(await answer())
      await service.shutdown()
      answers.push(await answer())
      console.log(JSON.stringify(answers.map((answer) => answer.slice(0, 'Bearer access-1'.length))))
      await worker.terminate()
      await server.close()
    `
    // The worker configured nothing itself, so that it looks into the environment, which is empty.
    assert.deepEqual(await outputOf(source), ['Bearer access-1', 'Bearer access-2', 'ERR_TOKEN_CONFI'])
  })
})

describe('the default service', () => {
  test('is external_api, else the first that was initialized', async () => {
    const source = `${withServer}
      const names = []
      initializeTokenService({ ...config, service: 'billing' })
      initializeTokenService({ ...config, service: 'orders' })
      names.push(getTokenService().name)
      const first = await getAuthHeaders()
      initializeTokenService(config)
      names.push(getTokenService().name)
      const second = await getAuthHeaders()
      console.log(JSON.stringify({ names, other: first.Authorization !== second.Authorization }))
      await server.close()
    `
    assert.deepEqual(await outputOf(source), { names: ['billing', 'external_api'], other: true })
  })

  test('is replaced under the function that hands out its headers', async () => {
    const source = `${withServer}
      initializeTokenService(config)
      const answers = [await getAuthHeaders(), await getAuthHeaders()]
      initializeTokenService({ ...config, scheme: 'Token' })
      answers.push(await getAuthHeaders())
      console.log(JSON.stringify(answers.map(({ Authorization }) => Authorization.split(' ')[0])))
      await server.close()
    `
    const warned = { env: { LOG_LEVEL: 'error' } }
    assert.deepEqual(await outputOf(source, warned), ['Bearer', 'Bearer', 'Token'])
  })

  test('is not replaced by the one of the environment when it was configured in code and shut down', async () => {
    const source = `${withServer}
      await initializeTokenService(config).shutdown()
      const refused = await getAuthHeaders().catch((error) => error.code)
      initializeTokenService()
      const { Authorization } = await getAuthHeaders()
      await getTokenService().shutdown()
      const again = await getAuthHeaders()
      console.log(JSON.stringify([refused, Authorization, again.Authorization]))
      await server.close()
    `
    const [refused, ...manual] = await outputOf(source, { env: { EXTERNAL_API_TOKEN: 'by-hand' } })
    assert.equal(refused, 'ERR_TOKEN_SHUTDOWN')
    assert.deepEqual(manual, ['Bearer by-hand', 'Bearer by-hand'])
  })
})

describe('copies of the package', () => {
  test('are one and the same from import and from require', () => {
    const required = require('evertoken')
    for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name)
    assert.equal(imported.default, required)
  })

  test('share services, tokens, events and errors', async (t) => {
    const copy = secondCopy()
    assert.notEqual(copy.TokenService, imported.TokenService)
    const service = serviceFor(t, server)
    const same = copy.getTokenService(service.name)
    assert.ok(same instanceof copy.TokenService)
    const heard = new Promise((resolve) => same.on('refreshed', resolve))
    const token = await service.getToken()
    assert.equal(await same.getToken(), token)
    assert.equal((await heard).service, service.name)
    assert.equal((await same.fetch(server.apiUrl)).status, 200)

    await service.refresh()
    assert.equal(await same.getToken(), await service.getToken())
    assert.notEqual(await same.getToken(), token)

    const error = await same
      .shutdown()
      .then(() => service.getToken())
      .catch((error) => error)
    assert.equal(error.code, 'ERR_TOKEN_SHUTDOWN')
    assert.ok(error instanceof imported.TokenError && error instanceof copy.TokenError)
    assert.ok(!(new Error('x') instanceof imported.TokenError))
  })

  test('send the header of a service only where the copy that initialized it allows', async (t) => {
    const service = imported.initializeTokenService(
      configAt(server, { allowedOrigins: ['https://api.example.com'] }),
    )
    t.after(() => service.shutdown())
    const before = server.apiRequests.length
    await secondCopy().getTokenService(service.name).fetch(server.apiUrl)
    assert.equal(server.apiRequests[before].headers.authorization, undefined)
  })
})

describe('lines on stderr', () => {
  const source = `${withServer}
    const service = initializeTokenService(config)
    await service.getToken()
    await service.clear()
    await server.close()
  `

  test('are warnings and errors, in words', async () => {
    const { stderr, code } = await runScript(source, { env: { LOG_LEVEL: '' } })
    assert.equal(code, 0)
    assert.match(stderr, /^\d{4}-\d\d-\d\dT\S+Z WARN evertoken\[external_api\] .*http.*\n$/)
  })

  test('are one JSON object each if LOG_FORMAT is json, filtered by LOG_LEVEL', async () => {
    const { stderr } = await runScript(source, { env: { LOG_LEVEL: 'info', LOG_FORMAT: 'json' } })
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.ok(
      lines.every(({ service, msg, time }) => service === 'external_api' && msg && new Date(time) > 0),
    )
    assert.deepEqual([...new Set(lines.map(({ level }) => level))].sort(), ['info', 'warn'])
    assert.ok(!stderr.includes('the-child-secret') && !stderr.includes('access-1-'))
  })
})
