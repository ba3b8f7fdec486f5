// `npm run demo`: the example application, built as it is deployed, with a real token server in front of a protected
// API. `--login` takes a login endpoint (Django with simplejwt, where Python is there) in place of an OAuth server.
// `--replicas` starts the application twice, with a PostgreSQL server in which the two share one token.
// `--check` tests that the main job works, a renewal included, and ends; otherwise it runs until Ctrl-C.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkExample } from './demo/check.mjs'
import { checkReplicas } from './demo/check-replicas.mjs'
import { startDatabase } from './demo/database.mjs'
import { buildExample, startExample } from './demo/example.mjs'
import { startLoginServer } from './demo/login-server.mjs'
import { startOidcServer } from './demo/oidc-server.mjs'
import { startOrdersApi } from './demo/orders-api.mjs'

const { values: options } = parseArgs({
  options: { login: { type: 'boolean' }, replicas: { type: 'boolean' }, check: { type: 'boolean' } },
})

/** Long enough to be read, short enough to see it renew. */
const lifetimeSeconds = 20

const folder = await mkdtemp(join(tmpdir(), 'evertoken-demo-'))
const running = []
let isStopping = false

const stop = async (code) => {
  if (isStopping) return
  isStopping = true
  for (const { stop } of running.reverse()) await stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code)
}
process.on('SIGINT', () => void stop(0))
process.on('SIGTERM', () => void stop(0))

try {
  await demonstrate()
} catch (error) {
  // What Ctrl-C interrupts also fails, which is expected.
  if (!isStopping) {
    console.error(`\nThe demo failed: ${error.message}`)
    await stop(1)
  }
}

async function demonstrate() {
  const began = (server) => {
    running.push(server)
    return server
  }
  const say = (message) => console.log(`${new Date().toLocaleTimeString()}  ${message}`)
  const adminSecret = randomBytes(16).toString('base64url')

  // It may have to be installed, so whether there is one is known first.
  const database = options.replicas ? began(await startDatabase()) : undefined
  const tokens = began(
    await (options.login ? startLoginServer : startOidcServer)({ folder, lifetimeSeconds, say }),
  )
  const orders = began(await startOrdersApi({ verify: tokens.verify }))
  await buildExample(folder)
  const environment = {
    ...tokens.environment,
    ...database?.environment,
    ORDERS_API_URL: orders.url,
    EVERTOKEN_ADMIN_SECRET: adminSecret,
  }
  const replicas = []
  for (let number = 0; number < (database ? 2 : 1); number += 1) {
    replicas.push(began(await startExample(folder, environment)))
  }

  for (const { origin } of replicas) {
    console.log(`
  Orders       ${origin}
  Dashboard    ${origin}/sign-in#${adminSecret}`)
  }
  console.log(`
  Token server ${tokens.description}${database ? `\n  Database     ${database.description}` : ''}
  Tokens live ${lifetimeSeconds} s, and are renewed in the background.
`)
  if (options.check) {
    const [{ origin }] = replicas
    await (database
      ? checkReplicas({ replicas, adminSecret, say })
      : checkExample({ origin, adminSecret, say }))
    await stop(0)
  }
  console.log('  Ctrl-C stops everything.\n')
  const { reason } = await Promise.race(replicas.map(({ ended }) => ended))
  if (!isStopping) throw new Error(`the example ended by itself (${reason})`)
}
