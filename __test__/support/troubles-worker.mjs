// A process of its own with one service. Each message names a deed, and is answered with what came of it, how the
// service stands then, and what was logged since the last answer.

import { initializeTokenService, startTokenScheduler } from 'evertoken'
import { FileBackedStore } from './stores.mjs'

const { storage, ...config } = JSON.parse(process.env.EVERTOKEN_TEST_CONFIG)
const store = storage.kind === 'custom' ? new FileBackedStore(storage.path) : undefined
const lines = []
const keep = (...line) => lines.push(JSON.stringify(line))
const logger = { debug: keep, info: keep, warn: keep, error: keep }
const service = initializeTokenService({
  ...config,
  logger,
  storage: store ? { kind: 'custom', store } : storage,
})

const deeds = {
  header: async () => (await service.getAuthHeaders()).Authorization,
  refresh: async () => void (await service.refresh()),
  clear: () => service.clear(),
  fetch: async (url) => (await service.fetch(url)).status,
  schedule: async () => void startTokenScheduler(),
}

process.on('message', async ([deed, argument]) => {
  const outcome = await deeds[deed](argument).then(
    (value) => ({ value }),
    ({ code }) => ({ code }),
  )
  process.send({ ...outcome, status: service.status(), lines: lines.splice(0) })
})
process.send('ready')
