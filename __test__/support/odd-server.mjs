// A server with a configured response for each path, and unusual responses.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

/**
 * Starts the server on a free port. `answers` says what a path's handler does with request and response; any
 * other path gets a token that should never be requested.
 */
export async function startOddServer(answers = {}) {
  const requests = []
  const server = createServer(async (request, response) => {
    requests.push(request.url)
    response.on('error', () => {})
    request.resume()
    await once(request, 'end').catch(() => {})
    const answer = answers[request.url] ?? json({ access_token: 'never-to-be-requested' })
    await answer(request, response)
  })
  server.on('connection', (socket) => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    /** The paths that were asked for, as they came. */
    requests,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Text or bytes as they are. */
export const body =
  (content, { status = 200, headers = {} } = {}) =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(content)
  }

export const json = (value, options) => body(JSON.stringify(value), options)

export const redirect = (status, location) => body('', { status, headers: { location } })

/** Far more than it looks like. */
export const gzipBomb = (megabytes) => {
  const content = gzipSync(`{"access_token":"${'a'.repeat(megabytes << 20)}"}`, { level: 9 })
  return body(content, { headers: { 'content-encoding': 'gzip' } })
}

/** A body without end, as fast as it is read. */
export const endless = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  return pipeline(Readable.from(withoutEnd()), response).catch(() => {})
}

function* withoutEnd() {
  for (;;) yield 'x'.repeat(65_536)
}

/** A whole answer, byte by byte: none is late, and all of them together are. */
export const slow = (content, everyMs) => async (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  for (const byte of content) {
    if (response.destroyed) return
    response.write(byte)
    await sleep(everyMs)
  }
  response.end()
}

/** No answer at all. */
export const silence = () => {}

/** The beginning of an answer, and then a reset of the connection. */
export const reset = (content) => async (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  await new Promise((resolve) => response.write(content, resolve))
  response.socket.resetAndDestroy()
}

/** The bytes of an answer as they go over the wire, and the end of the connection. */
export const raw = (bytes) => (_, response) => response.socket.end(bytes)
