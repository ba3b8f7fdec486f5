// A token endpoint on the loopback address that counts what it is asked and answers by plan.
import { createServer } from 'node:http'

/**
 * Starts a token server on a free port.
 *
 * `first` describes the answer to the first request and `later` the answer to all others:
 * `{ status, expiresIn, delayMs }`; `expiresIn` is in seconds, `status` 200 when absent.
 */
export async function startTokenServer({ first, later = first }) {
  let requests = 0
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      requests += 1
      const number = requests
      const { status = 200, expiresIn = 3600, delayMs = 0 } = number === 1 ? first : later
      setTimeout(() => answer(response, status, number, expiresIn), delayMs)
    })
  })
  // Ten thousand callers may knock at once, and none of them is to be turned away by the queue.
  server.listen({ host: '127.0.0.1', port: 0, backlog: 16_384 })
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  return {
    url: `http://127.0.0.1:${server.address().port}/oauth/token`,
    requests: () => requests,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

function answer(response, status, number, expiresIn) {
  const body =
    status === 200
      ? { access_token: `token-${number}`, token_type: 'Bearer', expires_in: expiresIn }
      : { error: 'temporarily_unavailable' }
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
