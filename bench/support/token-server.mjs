// A token endpoint on the loopback address that counts what it is asked and answers by plan.
import { createServer } from 'node:http'

/**
 * Starts a token server on a free port.
 *
 * `first` describes the answer to the first request and `later` the answer to all others:
 * `{ status, expiresIn, expiresAt, delayMs }`; `status` is 200 when absent. Tokens live for `expiresIn` seconds, or all
 * until `expiresAt`, in milliseconds since 1970.
 */
export async function startTokenServer({ first, later = first }) {
  let requests = 0
  let open = 0
  let mostOpen = 0
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      requests += 1
      const number = requests
      const { status = 200, expiresIn = 3600, expiresAt, delayMs = 0 } = number === 1 ? first : later
      const seconds = expiresAt === undefined ? expiresIn : Math.round((expiresAt - Date.now()) / 1000)
      setTimeout(() => answer(response, status, number, seconds), delayMs)
    })
  })
  server.on('connection', (socket) => {
    open += 1
    mostOpen = Math.max(mostOpen, open)
    socket.once('close', () => (open -= 1))
  })
  // Ten thousand callers may knock at once, and none of them is to be turned away by the queue.
  server.listen({ host: '127.0.0.1', port: 0, backlog: 16_384 })
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  return {
    url: `http://127.0.0.1:${server.address().port}/oauth/token`,
    requests: () => requests,
    /** The largest number of connections that were open at once. */
    sockets: () => mostOpen,
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
