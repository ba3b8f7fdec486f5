// The token routes as an app serves them, without Next.js.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createTokenRoutes } from 'evertoken/next'

/** Serves the routes on a free port; resolves with `{ endpoint, close }`. */
export async function serveRoutes(options) {
  const routes = createTokenRoutes(options)
  const app = createServer(async (request, response) => {
    const asked = new Request(`http://app${request.url}`, {
      method: request.method,
      headers: request.headers,
    })
    const answer = await routes[request.method](asked)
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  })
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  return {
    endpoint: `http://127.0.0.1:${app.address().port}/api/token`,
    async close() {
      if (!app.listening) return
      app.closeAllConnections()
      app.close()
      await once(app, 'close')
    },
  }
}
