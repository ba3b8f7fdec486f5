// A token server and an API behind it that take nothing without a proof of possession (RFC 9449), checked with
// Node's own crypto. Both demand nonces, and each endpoint has its own.

import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

const digest = (text) => createHash('sha256').update(text).digest('base64url')
const json = (part) => JSON.parse(Buffer.from(part, 'base64url'))

/**
 * Starts both, each on a port of its own.
 *
 * @param {object} [options]
 * @param {string} [options.tokenType] what the token server says its tokens are
 * @param {number} [options.aheadSeconds] how far its clock, and the API's, is ahead
 */
export async function startDpopServer({ tokenType = 'DPoP', aheadSeconds = 0 } = {}) {
  const tokens = new Map()
  const seen = new Set()
  const log = { tokenRequests: [], apiRequests: [], faults: [], thumbprints: new Set() }
  const nonces = { token: randomBytes(12).toString('base64url'), api: randomBytes(12).toString('base64url') }
  const now = () => Date.now() + aheadSeconds * 1000

  /** The key's thumbprint (RFC 7638), or what is wrong with the proof (RFC 9449 §4.3). */
  function check(request, origin, { nonce, token }) {
    const text = request.headers.dpop
    if (text === undefined) return { fault: 'no proof' }
    const [head, body, signature] = text.split('.')
    const [header, claims] = [json(head), json(body)]
    const { kty, crv, x, y, ...others } = header.jwk
    if (header.typ !== 'dpop+jwt' || header.alg !== 'ES256') return { fault: 'another kind of proof' }
    if (kty !== 'EC' || crv !== 'P-256' || Object.keys(others).length > 0) return { fault: 'a strange key' }
    const key = createPublicKey({ key: header.jwk, format: 'jwk' })
    const signed = Buffer.from(`${head}.${body}`)
    const isSigned = verify(
      'sha256',
      signed,
      { key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    )
    if (!isSigned) return { fault: 'a wrong signature' }
    if (claims.htm !== request.method) return { fault: `htm ${claims.htm}` }
    if (claims.htu !== origin + request.url.split('?')[0]) return { fault: `htu ${claims.htu}` }
    if (Math.abs(claims.iat - now() / 1000) > 20) return { fault: 'a wrong iat', error: 'invalid_dpop_proof' }
    if (claims.jti.length < 16 || seen.has(claims.jti)) return { fault: 'a jti that was there before' }
    seen.add(claims.jti)
    if (claims.ath !== (token && digest(token))) return { fault: 'a wrong ath' }
    if (claims.nonce !== nonce) return { fault: 'a wrong nonce', error: 'use_dpop_nonce' }
    return { thumbprint: digest(JSON.stringify({ crv, kty, x, y })) }
  }

  async function answerToken(request, response, origin) {
    const form = new URLSearchParams(await textOf(request))
    log.tokenRequests.push(form.get('grant_type'))
    const {
      fault,
      error = 'invalid_dpop_proof',
      thumbprint,
    } = check(request, origin, { nonce: nonces.token })
    if (fault) {
      log.faults.push(`token: ${fault}`)
      return send(response, 400, { error }, { 'dpop-nonce': nonces.token })
    }
    log.thumbprints.add(thumbprint)
    const token = randomBytes(12).toString('base64url')
    tokens.set(token, thumbprint)
    const body = {
      access_token: token,
      token_type: tokenType,
      expires_in: 3600,
      refresh_token: `refresh-${token}`,
    }
    send(response, 200, body, { 'dpop-nonce': nonces.token })
  }

  async function answerApi(request, response, origin) {
    const body = await textOf(request)
    log.apiRequests.push({ method: request.method, path: request.url, headers: request.headers, body })
    const challenge = (error) =>
      send(response, 401, {}, { 'www-authenticate': `DPoP error="${error}"`, 'dpop-nonce': nonces.api })
    const [scheme, token] = request.headers.authorization?.split(' ') ?? []
    if (scheme !== 'DPoP' || !tokens.has(token)) return challenge('invalid_token')
    const { fault, error, thumbprint } = check(request, origin, { nonce: nonces.api, token })
    if (fault) {
      log.faults.push(`api: ${fault}`)
      return challenge(error ?? 'invalid_dpop_proof')
    }
    if (thumbprint !== tokens.get(token)) return challenge('invalid_token')
    send(response, 200, { thumbprint }, {})
  }

  const servers = await Promise.all([answerToken, answerApi].map(listen))
  const [token, api] = servers.map(({ origin }) => origin)
  return {
    tokenEndpoint: `${token}/token`,
    api: `${api}/orders`,
    log,
    nonces,
    /** The API takes no token from before. */
    revokeAll: () => tokens.clear(),
    close() {
      for (const { server } of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }

  async function listen(answer) {
    let origin
    const server = createServer((request, response) => {
      response.setHeader('date', new Date(now()).toUTCString())
      answer(request, response, origin).catch((error) => {
        log.faults.push(String(error))
        response.writeHead(500).end()
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${server.address().port}`
    return { server, origin }
  }
}

async function textOf(request) {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

function send(response, status, body, headers) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
