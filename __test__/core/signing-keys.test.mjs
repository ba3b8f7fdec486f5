// `privateKey` in every form and algorithm, and functions that sign and present, as a server sees them. The signatures are
// verified by `jose` and `node:crypto`.
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign as nodeSign, verify as nodeVerify } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import { configFromEnv, initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { startPlainServer } from '../support/plain-server.mjs'
import { freshName } from '../support/service.mjs'

afterEach(cleanEnvironment)

const granted = { access_token: 't', expires_in: 900 }

async function serve(t, answer = () => granted) {
  const server = await startPlainServer(async ({ body }) => ({
    headers: { 'content-type': 'application/json' },
    body: await answer(Object.fromEntries(new URLSearchParams(body))),
  }))
  t.after(() => server.close())
  const forms = () => server.requests.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))
  return { url: `${server.origin}/token`, forms, requests: server.requests }
}

function start(t, url, config) {
  const service = initializeTokenService({
    service: freshName(),
    authUrl: url,
    clientId: 'app',
    storage: { kind: 'memory' },
    onFailure: 'throw',
    retry: { attempts: 1 },
    ...config,
  })
  t.after(() => service.shutdown())
  return service
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keys = {
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  EdDSA: generateKeyPairSync('ed25519'),
  Ed25519: generateKeyPairSync('ed25519'),
}
const pemOf = ({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' })
const jwkOf = ({ privateKey }) => privateKey.export({ format: 'jwk' })

/** The header and the claims of an assertion, verified. */
async function verified(assertion, alg) {
  const { publicKey } = keys[alg]
  if (alg !== 'Ed25519') {
    const { protectedHeader, payload } = await jwtVerify(assertion, publicKey, { algorithms: [alg] })
    return { header: protectedHeader, claims: payload }
  }
  // Not every version of `jose` knows this name.
  const [header, claims, signature] = assertion.split('.')
  const isValid = nodeVerify(
    null,
    Buffer.from(`${header}.${claims}`),
    publicKey,
    Buffer.from(signature, 'base64url'),
  )
  assert.ok(isValid)
  return {
    header: decodeProtectedHeader(assertion),
    claims: JSON.parse(Buffer.from(claims, 'base64url')),
  }
}

describe('privateKey', () => {
  for (const alg of Object.keys(keys)) {
    test(`${alg}: PEM, a JWK and JSON text sign what the public key verifies`, async (t) => {
      const { url, forms } = await serve(t)
      const jwk = { ...jwkOf(keys[alg]), alg, kid: 'of the JWK' }
      const given = {
        PEM: [{ pem: pemOf(keys[alg]), alg, kid: 'k' }, 'k'],
        JWK: [jwk, 'of the JWK'],
        text: [JSON.stringify(jwk), 'of the JWK'],
        option: [{ pem: jwk, kid: 'k' }, 'k'],
      }
      for (const [privateKey] of Object.values(given)) {
        await start(t, url, { privateKey }).getToken()
      }
      for (const [index, [, kid]] of Object.values(given).entries()) {
        const { header, claims } = await verified(forms()[index].client_assertion, alg)
        assert.deepEqual(header, { alg, kid, typ: 'JWT' })
        assert.deepEqual([claims.iss, claims.sub, claims.aud], ['app', 'app', url])
      }
    })
  }

  test('a key that does not fit its algorithm is an error at once that names both', () => {
    assert.throws(
      () =>
        initializeTokenService({
          authUrl: 'https://login.example.com/token',
          clientId: 'app',
          privateKey: { pem: pemOf(keys.ES384), alg: 'ES256' },
        }),
      {
        code: 'ERR_TOKEN_CONFIG',
        field: 'privateKey.alg',
        message: /privateKey\.alg is ES256, but privateKey\.pem is a P-384 key: set privateKey\.alg to ES384/,
      },
    )
  })

  test('the environment holds a JWK, or the path of one', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'evertoken-keys-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const text = JSON.stringify({ ...jwkOf(keys.ES256), kid: 'k' })
    const path = join(folder, 'key.jwk')
    writeFileSync(path, text)
    const { url, forms } = await serve(t)
    for (const OAUTH_PRIVATE_KEY of [text, path]) {
      await start(t, url, configFromEnv({ OAUTH_PRIVATE_KEY })).getToken()
    }
    for (const { client_assertion: assertion } of forms()) {
      assert.equal((await verified(assertion, 'ES256')).header.kid, 'k')
    }
  })
})

describe('privateKey.sign', () => {
  const signers = {
    'bytes of RSA': ['RS256', (input) => nodeSign('sha256', Buffer.from(input), rsa.privateKey)],
    base64url: [
      'RS256',
      async (input) => nodeSign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url'),
    ],
    'DER of ECDSA': ['ES256', (input) => nodeSign('sha256', Buffer.from(input), keys.ES256.privateKey)],
    'r and s of ECDSA, as an ArrayBuffer': [
      'ES384',
      async (input) => {
        const key = { key: keys.ES384.privateKey, dsaEncoding: 'ieee-p1363' }
        return new Uint8Array(nodeSign('sha384', Buffer.from(input), key)).buffer
      },
    ],
    Ed25519: ['EdDSA', (input) => nodeSign(null, Buffer.from(input), keys.EdDSA.privateKey)],
  }
  for (const [title, [alg, sign]] of Object.entries(signers)) {
    test(`${title}: the function's signature is that of the assertion`, async (t) => {
      const { url, forms } = await serve(t)
      const calls = []
      const service = start(t, url, {
        privateKey: {
          alg,
          kid: 'kms',
          sign(...args) {
            calls.push(args)
            return sign(...args)
          },
        },
      })
      await service.getToken()
      const { header } = await verified(forms()[0].client_assertion, alg)
      assert.deepEqual(header, { alg, kid: 'kms', typ: 'JWT' })
      const [input, name, { signal }] = calls[0]
      assert.deepEqual([forms()[0].client_assertion.startsWith(`${input}.`), name], [true, alg])
      assert.ok(signal instanceof AbortSignal)
    })
  }

  test('what is not a signature, and what is thrown, is an error without a request', async (t) => {
    const { url, forms } = await serve(t)
    const failure = async (sign) => {
      const service = start(t, url, { privateKey: { alg: 'ES256', sign } })
      return service.getToken().then(assert.fail, (error) => error)
    }
    const short = await failure(() => new Uint8Array(63))
    assert.deepEqual([short.code, short.field], ['ERR_TOKEN_CONFIG', 'privateKey.sign'])
    assert.match(short.message, /returned 63 bytes, but an ES256 signature has 64 \(r and s\), or is in DER/)
    assert.match((await failure(() => undefined)).message, /must return a string/)
    const thrown = await failure(() => {
      throw new Error('hunter2')
    })
    assert.match(thrown.message, /privateKey\.sign\(\) threw/)
    assert.doesNotMatch(thrown.message, /hunter2/)
    assert.deepEqual(forms(), [])
  })
})

describe('client_secret_jwt', () => {
  test('the secret signs by HS256 and is not sent', async (t) => {
    const { url, forms } = await serve(t)
    const clientSecret = 'a secret that is longer than thirty-two bytes'
    await start(t, url, { clientSecret, clientAuthentication: 'client_secret_jwt' }).getToken()
    const [form] = forms()
    assert.doesNotMatch(JSON.stringify(form), /thirty-two/)
    const [header, claims, tag] = form.client_assertion.split('.')
    assert.equal(createHmac('sha256', clientSecret).update(`${header}.${claims}`).digest('base64url'), tag)
    assert.equal(JSON.parse(Buffer.from(claims, 'base64url')).aud, url)
  })

  test('a short secret is a warning', async (t) => {
    const { url } = await serve(t)
    process.env.LOG_LEVEL = 'warn'
    const lines = []
    const logger = { debug() {}, info() {}, warn: (line) => lines.push(String(line)), error() {} }
    const config = { clientSecret: 's3cret', clientAuthentication: 'client_secret_jwt', logger }
    await start(t, url, config).shutdown()
    assert.match(lines.join('\n'), /clientSecret has fewer than 32 bytes/)
    assert.doesNotMatch(lines.join('\n'), /s3cret/)
  })
})

describe('functions that present', () => {
  const assertion = (name, exp = '10m') =>
    new SignJWT({ name }).setProtectedHeader({ alg: 'RS256' }).setExpirationTime(exp).sign(rsa.privateKey)

  test('clientAssertion is called for each request, with the client and the audience', async (t) => {
    const { url, forms } = await serve(t)
    const contexts = []
    const service = start(t, url, {
      clientAssertion(context) {
        contexts.push(context)
        return assertion(contexts.length)
      },
    })
    await service.getToken()
    await service.refresh()
    assert.equal(contexts.length, 2)
    assert.deepEqual([contexts[0].clientId, contexts[0].audience], ['app', url])
    assert.ok(contexts[0].signal instanceof AbortSignal)
    const names = []
    for (const form of forms()) names.push((await verified(form.client_assertion, 'RS256')).claims.name)
    assert.deepEqual(names, [1, 2])
  })

  test('an assertion of a grant and a subject token', async (t) => {
    const { url, forms } = await serve(t)
    await start(t, url, { clientId: undefined, assertion: async () => assertion('grant') }).getToken()
    await start(t, url, { clientId: undefined, subjectToken: () => 'subject' }).getToken()
    const [grant, exchange] = forms()
    assert.equal((await verified(grant.assertion, 'RS256')).claims.name, 'grant')
    assert.equal(grant.grant_type, 'urn:ietf:params:oauth:grant-type:jwt-bearer')
    assert.deepEqual(exchange, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'subject',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    })
  })

  test('an expired assertion is not sent, and nothing of it is in the error', async (t) => {
    const { url, forms } = await serve(t)
    const expired = await assertion('old', new Date(Date.now() - 1000))
    const service = start(t, url, { clientAssertion: () => expired })
    const error = await service.getToken().then(assert.fail, (failure) => failure)
    assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', 'clientAssertion'])
    assert.match(error.message, /returned an assertion that has expired: its exp is 20/)
    assert.ok(!error.message.includes(expired.split('.')[2]))
    assert.deepEqual(forms(), [])
  })
})

describe('one key for two assertions', () => {
  test('with private_key_jwt, the key signs the grant and authenticates the client', async (t) => {
    const { url, forms } = await serve(t)
    const privateKey = { pem: pemOf(rsa), audience: 'https://issuer.example.com' }
    const config = { grant: 'jwt_bearer', privateKey, clientAuthentication: 'private_key_jwt' }
    await start(t, url, { ...config, assertion: { subject: 'user' } }).getToken()
    const [form] = forms()
    const grant = (await verified(form.assertion, 'RS256')).claims
    const client = (await verified(form.client_assertion, 'RS256')).claims
    assert.deepEqual([grant.sub, grant.aud], ['user', url])
    assert.deepEqual([client.sub, client.aud], ['app', 'https://issuer.example.com'])
    assert.notEqual(grant.jti, client.jti)
  })

  test('a client secret authenticates the client next to the grant, in JSON, too', async (t) => {
    const { url, forms, requests } = await serve(t)
    const config = { grant: 'jwt_bearer', privateKey: pemOf(rsa), clientSecret: 's3cret' }
    await start(t, url, { ...config, clientAuthentication: 'client_secret_post' }).getToken()
    await start(t, url, {
      ...config,
      clientAuthentication: 'client_secret_post',
      requestFormat: 'json',
    }).getToken()
    for (const { assertion, client_secret: secret } of [forms()[0], JSON.parse(requests[1].body)]) {
      await verified(assertion, 'RS256')
      assert.equal(secret, 's3cret')
    }
  })

  test('a login with an assertion may have a body', async (t) => {
    const server = await startPlainServer(() => ({
      headers: { 'content-type': 'application/json' },
      body: { token: 't', expires_at: new Date(Date.now() + 900_000).toISOString() },
    }))
    t.after(() => server.close())
    const login = { credentials: 'assertion', body: { repositories: ['one'] } }
    const assertion = { audience: 'https://api.example.com', lifetimeSeconds: 540 }
    const service = start(t, `${server.origin}/tokens`, { privateKey: pemOf(rsa), login, assertion })
    assert.equal(await service.getToken(), 't')
    const [{ headers, body }] = server.requests
    assert.equal(body, '{"repositories":["one"]}')
    const { claims } = await verified(headers.authorization.replace('Bearer ', ''), 'RS256')
    assert.deepEqual(
      [claims.iss, claims.aud, claims.exp - claims.iat],
      ['app', 'https://api.example.com', 540],
    )
    assert.deepEqual(service.status().strategy.grant, 'login')
  })
})

describe('OAUTH_CLIENT_ASSERTION_FILE', () => {
  test('is the path of clientAssertion', () => {
    const config = configFromEnv({ OAUTH_CLIENT_ASSERTION_FILE: ' /var/run/token ' })
    assert.deepEqual(config, { clientAssertion: { path: '/var/run/token' } })
  })

  test('is not read next to a credential in code, nor the others next to an assertion in code', async (t) => {
    const { url, forms } = await serve(t)
    process.env.OAUTH_CLIENT_ASSERTION_FILE = '/nowhere'
    await start(t, url, { clientSecret: 's3cret' }).getToken()
    delete process.env.OAUTH_CLIENT_ASSERTION_FILE
    process.env.OAUTH_CLIENT_SECRET = 's3cret'
    process.env.OAUTH_PRIVATE_KEY = '/nowhere'
    const clientAssertion = () =>
      new SignJWT({}).setProtectedHeader({ alg: 'RS256' }).setExpirationTime('1m').sign(rsa.privateKey)
    await start(t, url, { clientAssertion }).getToken()
    assert.equal(forms().length, 2)
    assert.ok(forms()[1].client_assertion)
  })
})
