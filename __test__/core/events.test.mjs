import assert from 'node:assert/strict'
import { once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'
import { initializeTokenService, TokenError } from 'evertoken'
import { secondCopy } from '../support/copies.mjs'
import { clientSecret, configAt, serviceFor, useTokenServer } from '../support/service.mjs'
import { startMockTokenServer } from 'evertoken/testing'

const server = useTokenServer()

/** The next event of this type. */
function next(service, type) {
  return new Promise((resolve) => service.once(type, resolve))
}

/** A logger that keeps its lines, and a way to wait for one. */
function keepingLogger() {
  const lines = []
  const waiting = []
  const take =
    (level) =>
    (...details) => {
      lines.push({ level, details })
      for (const look of waiting.splice(0)) look()
    }
  const until = async (condition) => {
    while (!lines.some(condition)) await new Promise((resolve) => waiting.push(resolve))
  }
  return { lines, until, debug: take('debug'), info: take('info'), warn: take('warn'), error: take('error') }
}

describe('events', () => {
  test('report a new token, with the status at that time', async (t) => {
    const service = serviceFor(t, server)
    const heard = next(service, 'refreshed')
    await service.getToken()
    const event = await heard
    assert.deepEqual(Object.keys(event).sort(), ['at', 'service', 'status', 'type'])
    assert.equal(event.type, 'refreshed')
    assert.equal(event.service, service.name)
    assert.equal(new Date(event.at).toISOString(), event.at)
    assert.equal(event.status.state, 'valid')
    assert.ok(Object.isFrozen(event))
  })

  test('report a failure, with a TokenError', async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    failing.script({ status: 401, body: { error: 'invalid_client' } })
    const service = serviceFor(t, failing, { clientAuthentication: 'client_secret_post' })
    const heard = next(service, 'refreshFailed')
    assert.deepEqual(await service.getAuthHeaders(), {})
    const { error, status } = await heard
    assert.ok(error instanceof TokenError)
    assert.equal(error.code, 'ERR_TOKEN_CREDENTIALS')
    assert.equal(error.service, service.name)
    assert.equal(error.status, 401)
    assert.equal(status.lastError.code, error.code)
  })

  test("of a failure contain the server's error text; alerts and the status do not", async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    const body = { error: 'invalid_client', error_description: `The secret ${clientSecret} has expired.` }
    failing.script({ status: 401, body }, { status: 401, body })
    delete process.env.LOG_LEVEL
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const logger = keepingLogger()
    const service = serviceFor(t, failing, { alerts: { afterFailures: 1 }, onFailure: 'throw', logger })
    const heard = Promise.all([next(service, 'refreshFailed'), next(service, 'alert')])
    const serverError = { error: 'invalid_client', description: 'The secret [removed] has expired.' }
    const isTold = (error) => assert.deepEqual(error.serverError, serverError) ?? true
    await assert.rejects(service.getToken(), isTold)
    const [failed, alert] = await heard
    isTold(failed.error)
    assert.deepEqual(JSON.parse(JSON.stringify(failed.error)).serverError, serverError)
    assert.equal(alert.error.code, 'ERR_TOKEN_CREDENTIALS')
    assert.ok(!('serverError' in alert.error))
    assert.ok(!JSON.stringify([alert, service.status()]).includes('expired'))
    const isFailure = ({ level, details: [, { code }] }) => level === 'warn' && code !== undefined
    await logger.until(isFailure)
    const [message, fields] = logger.lines.find(isFailure).details
    assert.ok(!message.includes('expired'))
    assert.deepEqual(fields.serverError, serverError)
  })

  test('report a cleared token', async (t) => {
    const service = serviceFor(t, server)
    await service.getToken()
    const heard = next(service, 'cleared')
    await service.clear()
    assert.equal((await heard).status.state, 'missing')
  })

  test("go to the service's own listeners only", async (t) => {
    const [one, other] = [serviceFor(t, server), serviceFor(t, server)]
    const heard = []
    one.on('refreshed', (event) => heard.push(event.service))
    other.on('refreshed', (event) => heard.push(event.service))
    const both = Promise.all([next(one, 'refreshed'), next(other, 'refreshed')])
    await Promise.all([one.getToken(), other.getToken()])
    await both
    assert.deepEqual(heard.sort(), [one.name, other.name].sort())
  })

  test('are received with on, once and off, as with an EventEmitter', async (t) => {
    const service = serviceFor(t, server)
    const heard = []
    const always = function () {
      heard.push(['always', this === service])
    }
    const first = function () {
      heard.push(['first', this === service])
    }
    const never = () => heard.push('never')
    assert.equal(service.on('refreshed', always), service)
    assert.equal(service.once('refreshed', first), service)
    assert.equal(service.once('refreshed', never).off('refreshed', never), service)
    for (let round = 0; round < 2; round += 1) {
      const told = next(service, 'refreshed')
      await service.refresh()
      await told
    }
    service.off('refreshed', always)
    const told = next(service, 'refreshed')
    await service.refresh()
    await told
    assert.deepEqual(heard, [
      ['always', true],
      ['first', true],
      ['always', true],
    ])
    assert.throws(() => service.on('refreshed', 'not a function'), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => service.once('refreshed'), { code: 'ERR_INVALID_ARG_TYPE' })
  })

  test('can be awaited with events.once', async (t) => {
    const service = serviceFor(t, server)
    const heard = once(service, 'refreshed')
    await service.getToken()
    const [event] = await heard
    assert.equal(event.service, service.name)
  })

  test('reach every listener even if one throws and another rejects, with a warning', async (t) => {
    const service = serviceFor(t, server)
    const warnings = []
    const collect = (warning) => warnings.push(warning)
    process.on('warning', collect)
    t.after(() => process.off('warning', collect))
    service.on('refreshed', () => {
      throw new Error('the first listener')
    })
    service.on('refreshed', async () => {
      throw new Error('the second listener')
    })
    const heard = next(service, 'refreshed')
    await service.getToken()
    await heard
    while (warnings.length < 2) await once(process, 'warning')
    assert.deepEqual(
      warnings.map(({ name }) => name),
      ['EvertokenWarning', 'EvertokenWarning'],
    )
    assert.match(warnings[0].message, /refreshed failed with Error: the first listener/)
    assert.match(warnings[1].message, /the second listener/)
  })

  test('go to diagnostics_channel, once, however many copies of the package there are', async (t) => {
    const copy = secondCopy()
    const config = configAt(server)
    const service = initializeTokenService(config)
    t.after(() => service.shutdown())
    const same = copy.initializeTokenService(config)
    assert.notEqual(same, service)
    const published = []
    const collect = (event, name) => event.service === service.name && published.push([name, event.type])
    for (const type of ['refreshed', 'cleared']) subscribe(`evertoken:${type}`, collect)
    t.after(() => {
      for (const type of ['refreshed', 'cleared']) unsubscribe(`evertoken:${type}`, collect)
    })
    const heard = Promise.all(
      [service, same].flatMap((one) => [next(one, 'refreshed'), next(one, 'cleared')]),
    )
    await service.getToken()
    await same.clear()
    await heard
    assert.deepEqual(published, [
      ['evertoken:refreshed', 'refreshed'],
      ['evertoken:cleared', 'cleared'],
    ])
  })
})

describe('the configured logger', () => {
  test('receives the lines, with the name of the service, instead of stderr', async (t) => {
    delete process.env.LOG_LEVEL
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const logger = keepingLogger()
    const service = serviceFor(t, server, { logger })
    await service.getToken()
    await service.clear()
    await logger.until(({ details: [message] }) => /cleared/.test(message))
    const { level, details } = logger.lines.find(({ details: [message] }) => /cleared/.test(message))
    assert.equal(level, 'info')
    assert.ok(details[0].startsWith(`evertoken[${service.name}] `))
    assert.equal(details[1].service, service.name)
    assert.ok(
      logger.lines.some(({ level }) => level === 'warn'),
      'credentials over http are worth a warning',
    )
  })

  test('receives no lines below LOG_LEVEL', async (t) => {
    process.env.LOG_LEVEL = 'error'
    const logger = keepingLogger()
    const service = serviceFor(t, server, { logger })
    const heard = next(service, 'cleared')
    await service.getToken()
    await service.clear()
    await heard
    assert.deepEqual(logger.lines, [])
  })

  test('receives the fields before the message if it is a pino logger', async (t) => {
    process.env.LOG_LEVEL = 'debug'
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const logger = Object.assign(keepingLogger(), { bindings: () => ({}) })
    const service = serviceFor(t, server, { logger })
    await service.clear()
    await logger.until(({ details }) => /cleared/.test(details[1]))
    assert.ok(
      logger.lines.every(
        ({ details: [fields, message] }) => fields.service === service.name && message.length > 0,
      ),
    )
  })

  test('that throws has no effect on others, and is reported once', async (t) => {
    process.env.LOG_LEVEL = 'debug'
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const warnings = []
    const collect = (warning) => warnings.push(warning.message)
    process.on('warning', collect)
    t.after(() => process.off('warning', collect))
    let calls = 0
    const fail = () => {
      calls += 1
      throw new Error('the disk of the logs is full')
    }
    const service = serviceFor(t, server, { logger: { debug: fail, info: fail, warn: fail, error: fail } })
    for (let round = 0; round < 2; round += 1) {
      const heard = next(service, 'cleared')
      assert.match(await service.getToken(), /^access-/)
      await service.clear()
      await heard
    }
    while (warnings.length === 0) await once(process, 'warning')
    assert.ok(calls >= 2)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0], /the disk of the logs is full/)
  })

  test('receives reports of listeners that throw', async (t) => {
    const logger = keepingLogger()
    const service = serviceFor(t, server, { logger })
    service.on('refreshed', () => {
      throw new TypeError('in the listener')
    })
    await service.getToken()
    await logger.until(
      ({ level, details: [message] }) => level === 'error' && /TypeError: in the listener/.test(message),
    )
  })

  test('is the newest one, and one line is logged once, when copies bring their own', async (t) => {
    process.env.LOG_LEVEL = 'info'
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const [older, newer] = [keepingLogger(), keepingLogger()]
    const config = configAt(server)
    const service = initializeTokenService({ ...config, logger: older })
    t.after(() => service.shutdown())
    await service.getToken()
    await older.until(() => true)
    const before = older.lines.length
    assert.equal(initializeTokenService({ ...config, logger: newer }), service)
    const copies = keepingLogger()
    secondCopy().initializeTokenService({ ...config, logger: copies })
    await service.clear()
    await copies.until(({ details: [message] }) => /cleared/.test(message))
    assert.equal(copies.lines.filter(({ details: [message] }) => /cleared/.test(message)).length, 1)
    assert.equal(newer.lines.length, 0)
    assert.equal(older.lines.length, before)
  })

  test('never receives a secret', async (t) => {
    process.env.LOG_LEVEL = 'trace'
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const logger = keepingLogger()
    const service = serviceFor(t, server, { logger })
    const token = await service.getToken()
    await service.clear()
    await logger.until(({ details: [message] }) => /cleared/.test(message))
    const all = JSON.stringify(logger.lines)
    assert.ok(!all.includes(token) && !all.includes(clientSecret))
  })
})
