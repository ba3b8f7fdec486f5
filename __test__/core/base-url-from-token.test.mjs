// A `baseUrl` that the token answer completes: Salesforce's instance_url, Zoho's api_domain.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { freshName, serviceFor } from '../support/service.mjs'
import { startPlainServer } from '../support/plain-server.mjs'

async function serverFor(t, answer) {
  const server = await startPlainServer(answer)
  t.after(() => server.close())
  return server
}

/** A token server whose answer has these members, and a service at it. */
async function serviceNaming(t, more, config) {
  const answers = [more].flat()
  const tokens = await serverFor(t, () => {
    const body = {
      access_token: 'abc',
      expires_in: 3600,
      ...(answers.length > 1 ? answers.shift() : answers[0]),
    }
    return { status: body.error ? 401 : 200, headers: { 'content-type': 'application/json' }, body }
  })
  const settings = { fields: ['instance_url'], baseUrl: '{instance_url}', ...config }
  return Object.assign(serviceFor(t, { tokenUrl: `${tokens.origin}/token` }, settings), { tokens })
}

/** `fetch` as it was called, with the token or without. */
function listen(t) {
  const calls = []
  t.mock.method(globalThis, 'fetch', async (input, init) => {
    calls.push([String(input.url ?? input), new Headers(init.headers).get('authorization')])
    return new Response()
  })
  return calls
}

const refused = { code: 'ERR_TOKEN_CONFIG', field: 'baseUrl' }

describe('a baseUrl that the token response completes', () => {
  test('sends relative requests to the API that the response names', async (t) => {
    const api = await serverFor(t, ({ path }) => ({ body: path }))
    const service = await serviceNaming(
      t,
      { instance_url: `${api.origin}/` },
      { allowedOrigins: [api.origin] },
    )
    const [request] = await api.during(async () => {
      assert.equal(await (await service.fetch('/services/data?v=1')).text(), '/services/data?v=1')
    })
    assert.equal(request.headers.authorization, 'Bearer abc')
    assert.equal(service.tokens.requests.length, 1)
  })

  test('sends the token to the origin in the response and to allowed origins, and nowhere else', async (t) => {
    const service = await serviceNaming(
      t,
      { instance_url: 'https://na1.example.com' },
      { allowedOrigins: ['https://*.example.com'] },
    )
    await service.getToken()
    const calls = listen(t)
    for (const input of [
      '/a',
      new URL('https://na1.example.com/b'),
      new Request('https://eu.na2.example.com/c'),
      'https://example.com/d',
      'https://evilexample.com/e',
      'https://na1.example.com:8443/f',
      'http://na1.example.com/g',
      'https://na1.example.com.evil.example/h',
      '//evil.example/i',
    ]) {
      await service.fetch(input, {})
    }
    assert.deepEqual(calls, [
      ['https://na1.example.com/a', 'Bearer abc'],
      ['https://na1.example.com/b', 'Bearer abc'],
      ['https://eu.na2.example.com/c', 'Bearer abc'],
      ['https://example.com/d', null],
      ['https://evilexample.com/e', null],
      ['https://na1.example.com:8443/f', null],
      ['http://na1.example.com/g', null],
      ['https://na1.example.com.evil.example/h', null],
      ['https://evil.example/i', null],
    ])
  })

  test('needs no allowedOrigins if it contains the domain', async (t) => {
    const config = { baseUrl: 'https://{domain}.example.com/api/', fields: ['domain'] }
    const service = await serviceNaming(t, { domain: 'eu' }, config)
    await service.getToken()
    const calls = listen(t)
    await service.fetch('orders')
    await service.fetch('https://us.example.com/orders')
    assert.deepEqual(calls, [
      ['https://eu.example.com/api/orders', 'Bearer abc'],
      ['https://us.example.com/orders', null],
    ])
  })

  test('follows the answer to another instance', async (t) => {
    const names = [{ instance_url: 'https://a.example.com' }, { instance_url: 'https://b.example.com' }, {}]
    const service = await serviceNaming(t, names, { allowedOrigins: ['https://*.example.com'] })
    const urls = []
    for (let call = 0; call < 3; call += 1) {
      await service.refresh()
      const calls = listen(t)
      await service.fetch('/')
      t.mock.restoreAll()
      urls.push(calls[0][0])
    }
    assert.deepEqual(urls, ['https://a.example.com/', 'https://b.example.com/', 'https://b.example.com/'])
  })

  for (const [name, value] of [
    ['of a stranger', 'https://evil.example'],
    ['with a user', 'https://na1.example.com@evil.example'],
    ['over public http', 'http://na1.example.com'],
    ['that is not a URL', 'na1.example.com'],
    ['that is a list', ['https://na1.example.com']],
    ['that is not there', undefined],
  ]) {
    test(`refuses a request and names the field, for an API ${name}`, async (t) => {
      const service = await serviceNaming(
        t,
        { instance_url: value },
        { allowedOrigins: ['https://*.example.com', 'http://*.corp.internal'] },
      )
      const calls = listen(t)
      const error = await service.fetch('/x').catch((error) => error)
      assert.deepEqual([error.code, error.field], [refused.code, refused.field])
      assert.match(error.message, /instance_url/)
      assert.doesNotMatch(error.message, /evil|na1/)
      assert.deepEqual(calls, [])
      // The token itself is there all the same.
      assert.equal(await service.getToken(), 'abc')
    })
  }

  test('explains the missing API if there is no token', async (t) => {
    const service = await serviceNaming(
      t,
      { access_token: undefined, error: 'invalid_client' },
      { allowedOrigins: ['https://*.example.com'] },
    )
    await assert.rejects(service.fetch('/x'), { code: 'ERR_TOKEN_CREDENTIALS', field: 'baseUrl' })
    const throwing = await serviceNaming(
      t,
      { access_token: undefined, error: 'invalid_client' },
      { allowedOrigins: ['https://*.example.com'], onFailure: 'throw' },
    )
    await assert.rejects(throwing.fetch('/x'), { code: 'ERR_TOKEN_CREDENTIALS' })
  })

  test('has no API for the manual token, and an absolute URL works', async (t) => {
    const config = {
      token: 'by-hand',
      fields: ['instance_url'],
      baseUrl: '{instance_url}',
      allowedOrigins: ['https://*.example.com'],
    }
    const service = initializeTokenService({ service: freshName(), storage: { kind: 'memory' }, ...config })
    t.after(() => service.shutdown())
    await assert.rejects(service.fetch('/x'), refused)
    const calls = listen(t)
    await service.fetch('https://na1.example.com/x')
    assert.deepEqual(calls, [['https://na1.example.com/x', 'Bearer by-hand']])
  })

  test('that must be wrong is refused at the start', async (t) => {
    for (const [config, field] of [
      [{}, 'allowedOrigins'],
      [{ baseUrl: 'https://{instance_url}' }, 'allowedOrigins'],
      [{ baseUrl: '{other}', allowedOrigins: ['https://*.example.com'] }, 'baseUrl'],
      [{ baseUrl: '{instance_url' }, 'baseUrl'],
      [{ baseUrl: 'http://{instance_url}.example.com' }, 'baseUrl'],
      [{ allowedOrigins: ['https://*'] }, 'allowedOrigins'],
      [{ allowedOrigins: ['https://*.com'] }, 'allowedOrigins'],
      [{ allowedOrigins: ['https://a.*.example.com'] }, 'allowedOrigins'],
    ]) {
      await assert.rejects(
        serviceNaming(t, {}, config),
        { code: 'ERR_TOKEN_CONFIG', field },
        JSON.stringify(config),
      )
    }
  })
})
