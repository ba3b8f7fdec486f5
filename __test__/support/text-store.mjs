// A store of a user's own that several processes share: texts in this process, reached over HTTP.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { MapOfTexts } from './stores.mjs'

/** Serves the two functions of a `SharedTokenStore`; `url` is for {@link textStore} in other processes. */
export async function serveTexts() {
  const texts = new MapOfTexts()
  const server = createServer(async (request, response) => {
    const [operation, ...args] = JSON.parse(Buffer.concat(await request.toArray()))
    response.end(JSON.stringify(texts[operation](...args)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    name: 'a server of texts',
    url: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The store behind this address. */
export function textStore(url) {
  const call = async (...words) => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(words) })
    return response.json()
  }
  return {
    read: (key) => call('read', key),
    compareAndSet: (key, expected, next) => call('compareAndSet', key, expected, next),
  }
}
