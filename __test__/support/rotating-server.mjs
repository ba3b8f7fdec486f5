// A token server that counts, rotates refresh tokens and ends a whole family when one is used again
// (RFC 9700 §4.14.2).

import { once } from 'node:events'
import { createServer } from 'node:http'

/**
 * Starts the server on a free port.
 *
 * @param {object} [options]
 * @param {number} [options.expiresIn] how long a token lives, in seconds
 * @param {number} [options.delayMs] how long an answer takes
 */
export async function startRotatingServer({ expiresIn = 3600, delayMs = 20 } = {}) {
  const counts = { requests: 0, logins: 0, refreshes: 0, reuses: 0 }
  const families = new Map()
  const held = []
  const state = { holdsNext: false, rejects: false }
  let arrived = () => {}

  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    counts.requests += 1
    arrived()
    if (state.holdsNext) {
      state.holdsNext = false
      await new Promise((resolve) => held.push(resolve))
    }
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (state.rejects) return answer(401, { error: 'invalid_client' })
    const spent = form.get('refresh_token')
    let family = counts.logins + 1
    let turn = 1
    if (spent) {
      const [name, number] = spent.split('.').slice(1).map(Number)
      if (families.get(name) !== number) {
        if (families.has(name)) counts.reuses += 1
        families.delete(name)
        return answer(400, { error: 'invalid_grant' })
      }
      counts.refreshes += 1
      family = name
      turn = number + 1
    } else {
      counts.logins += 1
    }
    families.set(family, turn)
    answer(200, {
      access_token: `access.${family}.${turn}`,
      refresh_token: `refresh.${family}.${turn}`,
      token_type: 'Bearer',
      expires_in: expiresIn,
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}/token`,
    counts,
    state,
    /** Resolves when the next request arrives. */
    arrival: () => new Promise((resolve) => (arrived = resolve)),
    release: () => held.splice(0).forEach((resolve) => resolve()),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
