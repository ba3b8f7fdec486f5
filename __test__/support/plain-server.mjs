// A server that answers as a function says, and keeps what it was asked.
import { once } from 'node:events'
import { createServer } from 'node:http'

/** `answer({ method, path, headers, body })` gives `{ status, headers, body }`; a body that is not a string is sent as JSON. */
export async function startPlainServer(answer) {
  const requests = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const seen = { method: request.method, path: request.url, headers: request.headers, body }
    requests.push(seen)
    const given = await answer(seen, response)
    if (given === undefined) return
    const { status = 200, headers = {}, body: content = '' } = given
    response.writeHead(status, headers).end(typeof content === 'string' ? content : JSON.stringify(content))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    requests,
    /** What it was asked while `call` ran. */
    async during(call) {
      const count = requests.length
      await call()
      return requests.slice(count)
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
