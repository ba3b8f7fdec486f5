// Small HTTP servers on free ports of this machine.
import { once } from 'node:events'
import { createServer } from 'node:http'

/** Starts a server with this handler and resolves with its origin and what stops it. */
export async function listen(handler) {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A port that is free now, for a program that cannot be given port 0. */
export async function freePort() {
  const { origin, stop } = await listen(() => {})
  await stop()
  return Number(new URL(origin).port)
}

/** Answers in JSON. */
export function answer(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  response.end(JSON.stringify(body))
}
