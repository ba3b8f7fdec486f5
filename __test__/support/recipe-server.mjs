// A server that answers as a product does, and takes what its documentation says and nothing else.

import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import { SignJWT } from 'jose'

/**
 * Starts a server for the test.
 *
 * @param {import('node:test').TestContext} context
 * @param {object} product one of `products`
 * @param {object} config the recipe's whole configuration: the credentials that are right here
 * @param {object} [wrong] the part of a configuration that is mistaken: what is sent with it is refused
 */
export async function startRecipeServer(context, product, config, wrong = {}) {
  const state = { issued: [], kinds: [], refreshToken: undefined, isForgetful: false }
  const server = createServer(async (request, response) => {
    const { status, body } =
      request.method === 'GET' ? metadata(request.url) : await answer(await read(request))
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${server.address().port}`

  /** The addresses in a configuration or an environment, at this server; what a token is for stays what it is. */
  const relocated = (values) => {
    const addresses = [
      'authUrl',
      'refreshUrl',
      'revocationUrl',
      'issuer',
      'EXTERNAL_AUTH_URL',
      'OAUTH_ISSUER',
    ]
    const move = (value) => value.replace(new URL(value).origin, origin)
    const moved = ([key, value]) => [key, addresses.includes(key) ? move(value) : value]
    return Object.fromEntries(Object.entries(values).map(moved))
  }

  async function answer(request) {
    const is = (expected) => isDeepStrictEqual(request, normal(expected))
    if (is(product.login(config))) return grant('login', product.answer)
    const mistaken = product.login({ ...config, ...wrong })
    if (is(mistaken) || is(inBody(mistaken, { ...config, ...wrong }))) return refuse()
    if (state.refreshToken !== undefined && is(product.refresh(state.refreshToken, config))) {
      return state.isForgetful ? refuse() : grant('refresh', product.refreshed)
    }
    state.kinds.push(`unknown: ${JSON.stringify(request)}`)
    return { status: 404, body: {} }
  }

  function refuse() {
    state.kinds.push('refused')
    return product.refusal
  }

  async function grant(kind, make) {
    state.kinds.push(kind)
    const { token, refreshToken, body } = await made(make)
    state.issued.push(token)
    state.refreshToken = refreshToken ?? state.refreshToken
    return { status: 200, body }
  }

  async function made(make) {
    const token = product.isOpaque ? randomBytes(24).toString('base64url') : await jwt(product.lifetime)
    const refreshToken = randomBytes(24).toString('base64url')
    const body = make({ token, refreshToken })
    return {
      token,
      refreshToken: JSON.stringify(body).includes(refreshToken) ? refreshToken : undefined,
      body,
    }
  }

  function metadata(path) {
    const issuer = config.issuer && relocated({ issuer: config.issuer }).issuer
    const known = `${issuer?.replace(/\/$/, '')}/.well-known/openid-configuration`
    if (`${origin}${path}` !== known) return { status: 404, body: {} }
    return { status: 200, body: { issuer, token_endpoint: `${origin}${product.login(config).path}` } }
  }

  return {
    /** The access tokens so far. */
    issued: state.issued,
    /** What became of each request: `login`, `refresh`, `refused`, or `unknown` with what it was. */
    kinds: state.kinds,
    /** What a login is answered, for its shape. */
    firstAnswer: async () => (await made(product.answer)).body,
    /** No refresh token that was handed out is good any more. */
    forgetRefreshTokens: () => (state.isForgetful = true),
    relocated,
  }
}

/** A request as it is compared: where, in which form, what, and as whom. */
const normal = ({ path, json, form, authorization }) => ({ path, json, form, authorization })

/** The same request with the client's secret in the body (`client_secret_post`). */
const inBody = ({ path, form }, { clientId, clientSecret }) => ({
  path,
  form: { ...form, client_id: clientId, client_secret: clientSecret },
})

async function read(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  const { 'content-type': type, authorization } = request.headers
  const json = type === 'application/json' ? JSON.parse(text) : undefined
  const isForm = type === 'application/x-www-form-urlencoded'
  const form = isForm ? Object.fromEntries(new URLSearchParams(text)) : undefined
  return normal({ path: request.url, json, form, authorization })
}

const key = randomBytes(32)

const jwt = (seconds) =>
  new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime(`${seconds}s`)
    .sign(key)
