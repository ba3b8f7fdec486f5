// Many tenants in one process, at several sizes.
import { runInChild } from './support/child.mjs'
import { withFolder } from './support/scratch.mjs'
import { startTokenServer } from './support/token-server.mjs'
import { MEASURED_NODE } from './support/usage.mjs'

const LIFE_MS = 3_600_000
const limitMs = (size) => 120_000 + 20 * size

/** Resolves with what the case `scale` measures of one contender with this number of tenants. */
export async function measureScale(contender, size) {
  // All tokens expire at the same time, which is the worst case for their refreshes.
  const server = await startTokenServer({ first: { expiresAt: Date.now() + LIFE_MS } })
  try {
    const options = { more: [String(size)], node: MEASURED_NODE, limitMs: limitMs(size) }
    const measured = await withFolder((folder) =>
      runInChild('scale', contender, server.url, { EVERTOKEN_BENCH_FOLDER: folder }, options),
    )
    return { ...measured, requests: server.requests(), sockets: server.sockets() }
  } catch (error) {
    return { error: error.message }
  } finally {
    await server.close()
  }
}
