// A small token server and an API that its tokens open, on a free port of this machine.

import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'

/**
 * Starts the server.
 *
 * @param {object} [options]
 * @param {number} [options.expiresIn] how long a token lives, in seconds
 * @param {boolean} [options.revokesOld] whether a new token ends the life of those before it
 * @param {boolean} [options.sameToken] whether every answer carries the same token
 */
export async function startTokenServer({ expiresIn = 3600, revokesOld = false, sameToken = false } = {}) {
  const news = new EventEmitter().setMaxListeners(0)
  const tokens = new Set()
  const script = []
  const held = []
  const state = { isHeld: false, issued: 0, tokenRequests: [], apiRequests: [], aborted: 0 }

  const server = createServer(async (request, response) => {
    const chunks = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      return
    }
    const seen = {
      method: request.method,
      path: request.url,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    }
    if (request.url.startsWith('/api')) return answerApi(seen, response)
    state.tokenRequests.push(seen)
    response.on('close', () => {
      if (!response.writableFinished) state.aborted += 1
      news.emit('news')
    })
    news.emit('news')
    if (state.isHeld) await new Promise((release) => held.push(release))
    answerToken(seen, response)
  })

  function answerToken(seen, response) {
    const step = script.shift() ?? {}
    const { status = 200, headers = {}, body } = typeof step === 'function' ? step(seen) : step
    send(response, status, headers, body ?? (status === 200 ? issue() : { error: 'server_error' }))
  }

  function issue() {
    state.issued += 1
    const token = sameToken ? 'token-same' : `token-${state.issued}-${crypto.randomUUID()}`
    if (revokesOld) tokens.clear()
    tokens.add(token)
    return { access_token: token, token_type: 'Bearer', expires_in: expiresIn }
  }

  function answerApi(seen, response) {
    state.apiRequests.push(seen)
    news.emit('news')
    const [, token] = /^Bearer (.+)$/.exec(seen.headers.authorization ?? '') ?? []
    if (seen.path.startsWith('/api/open') || tokens.has(token)) return send(response, 200, {}, seen)
    send(response, 401, { 'www-authenticate': 'Bearer error="invalid_token"' }, { error: 'invalid_token' })
  }

  function send(response, status, headers, body) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(text)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${server.address().port}`

  return {
    origin,
    /** The token endpoint. */
    authUrl: `${origin}/oauth/token`,
    /** A resource that only a good token opens; below `/api/open` everybody may read. */
    api: `${origin}/api`,
    /** The token requests so far, as they came. */
    tokenRequests: state.tokenRequests,
    /** The requests to the API so far, as they came. */
    apiRequests: state.apiRequests,
    /** How the next token requests are answered, one after the other; after that they get tokens. */
    script,
    /** Token requests whose client went away before the answer. */
    get aborted() {
      return state.aborted
    },
    /** From now on token requests wait until `release` is called. */
    hold() {
      state.isHeld = true
    },
    release() {
      state.isHeld = false
      for (const go of held.splice(0)) go()
    },
    /** No token that was issued so far opens anything any more. */
    revokeAll() {
      tokens.clear()
    },
    /** Waits until `condition` is true, looking whenever something happens here. */
    async until(condition) {
      while (!condition()) await once(news, 'news', { signal: AbortSignal.timeout(10_000) })
    },
    async close() {
      this.release()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
