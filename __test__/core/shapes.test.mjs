// The JSON that crosses from the core to ts/: what a running service gives is compiled against the types that ts/ and
// users believe in. A member that is missing, unknown or of another type on either side is an error of the compiler.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startMockTokenServer } from 'evertoken/testing'
import { root } from '../../scripts/support/root.mjs'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { freshName } from '../support/service.mjs'

const require = createRequire(import.meta.url)
const native = require('evertoken/native')
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')

/**
 * One value that has every member of all these values, of which none is `null` if it was something else in any. A list
 * has one element, with all that the elements have.
 */
function merge(values) {
  const known = values.filter((value) => value !== null && value !== undefined)
  if (known.length === 0) return null
  if (known.every(Array.isArray)) return [merge(known.flat())]
  if (typeof known[0] !== 'object') return known[0]
  const keys = [...new Set(known.flatMap(Object.keys))]
  return Object.fromEntries(keys.map((key) => [key, merge(known.map((value) => value[key]))]))
}

const header = `
import type { TokenStatus, SchedulerStatus } from ${JSON.stringify(join(root, 'index.d.ts'))}
import type { Destinations, ErrorDescription, Native, Outcome, Snapshot } from ${JSON.stringify(join(root, 'ts/binding/native.ts'))}
import type { EndMessage, EventMessage, LogMessage } from ${JSON.stringify(join(root, 'ts/events/subscription.ts'))}
/** With every optional member, and without null. */
type Complete<T> = T extends string | number | boolean ? T
  : T extends readonly (infer E)[] ? Complete<E>[]
  : T extends object ? { [K in keyof T]-?: Member<NonNullable<T[K]>> } : T
/** An error within an event need not have every member: it is complete among the errors. */
type Member<T> = T extends ErrorDescription ? T : Complete<T>
type Ok<T> = T extends Outcome<infer V> ? NonNullable<V> : never
`

/** What the compiler says of these values, by the name of the type that each is to satisfy. */
function compile(t, samples) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-shapes-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const text = (value) => JSON.stringify(value, null, 1)
  const checks = Object.entries(samples).flatMap(([type, values]) => [
    ...values.map((value) => `${text(value)} satisfies ${type};`),
    `${text(merge(values))} satisfies Complete<${type}>;`,
  ])
  writeFileSync(
    join(folder, 'shapes.mts'),
    header + checks.map((check) => `(${check.slice(0, -1)});`).join('\n'),
  )
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    module: 'node20',
    target: 'es2023',
    lib: ['es2023', 'es2024.string'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    allowImportingTsExtensions: true,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }))
  return spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8' }).stdout
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** What a service gives from its beginning to its end, by type. */
async function collect(t) {
  const samples = {
    TokenStatus: [],
    SchedulerStatus: [],
    Snapshot: [],
    Destinations: [],
    ErrorDescription: [],
    EventMessage: [],
    LogMessage: [],
    EndMessage: [],
    "Ok<ReturnType<Native['initialize']>>": [],
    "Ok<ReturnType<Native['proof']>>": [],
    "Ok<ReturnType<Native['proxy']>>": [],
  }
  const server = await startMockTokenServer()
  t.after(() => server.close())
  /** Keeps what an outcome holds under this type, and gives it back. */
  const keep = (type, outcome) => {
    const { ok, error } = JSON.parse(outcome)
    if (error !== undefined) samples.ErrorDescription.push(error)
    else if (ok !== null) samples[type].push(ok)
    return ok
  }
  const kinds = { event: 'EventMessage', log: 'LogMessage', ended: 'EndMessage' }
  native.subscribe((text) => {
    const message = JSON.parse(text)
    samples[kinds[message.kind]].push(message)
  })
  const begin = (config, functions) => {
    const request = {
      config: {
        service: freshName(),
        authUrl: server.tokenUrl,
        clientId: 'app',
        clientSecret: 'secret',
        storage: { kind: 'memory' },
        ...config,
      },
      variables: {},
      log: { level: 'debug', format: 'text', forward: true },
      environment: {},
    }
    const started = native.initialize(JSON.stringify(request), undefined, functions)
    return keep("Ok<ReturnType<Native['initialize']>>", started)?.id
  }
  begin({ timeoutMs: -1 })

  const domain = {
    fields: ['domain'],
    baseUrl: 'https://{domain}.example.com',
    allowedOrigins: ['https://api.example.com'],
  }
  const main = begin({ ...domain, retry: { attempts: 1 } })
  keep('TokenStatus', native.status(main))
  const refusal = {
    error: 'invalid_client',
    error_description: 'no such client',
    error_uri: 'https://example.com/errors',
  }
  server.script(
    { status: 401, body: refusal },
    { status: 401, body: refusal },
    { status: 429, headers: { 'retry-after': '3' }, body: {} },
  )
  keep('TokenStatus', await native.refresh(main))
  keep('TokenStatus', native.status(main))
  keep('TokenStatus', await native.refresh(main))
  server.script({ body: { access_token: 'a-token', token_type: 'Bearer', expires_in: 60, domain: 'shop' } })
  keep('TokenStatus', await native.refresh(main))
  keep('Snapshot', native.headers(main))
  keep('Destinations', native.destinations(main))
  keep('Destinations', native.destinations(begin({ baseUrl: 'https://api.example.com' })))

  keep('SchedulerStatus', native.startScheduler(JSON.stringify({ healthCheckIntervalSeconds: 1 })))
  for (const end = Date.now() + 10_000; Date.now() < end; await wait(50)) {
    const { scheduler } = JSON.parse(native.status(main)).ok
    if (scheduler.lastHealthCheckAt !== null && scheduler.nextRefreshAt !== null) break
  }
  keep('TokenStatus', native.status(main))
  samples.SchedulerStatus.push(samples.TokenStatus.at(-1).scheduler)
  await native.clear(main, false)
  await wait(50)
  keep('SchedulerStatus', native.stopScheduler())

  server.script({ body: { access_token: 'bound', token_type: 'DPoP', expires_in: 60 } })
  const bound = begin({ dpop: true })
  const { generation } = keep('Snapshot', await native.acquire(bound))
  keep("Ok<ReturnType<Native['proof']>>", native.proof(bound, 'GET', 'https://api.example.com/', generation))
  keep(
    "Ok<ReturnType<Native['proxy']>>",
    native.proxy(
      JSON.stringify({
        url: 'https://api.example.com/',
        environment: { HTTPS_PROXY: 'http://proxy.example.com:3128' },
      }),
    ),
  )
  const manual = begin({ token: 'by-hand', authUrl: undefined, clientId: undefined, clientSecret: undefined })
  keep('Snapshot', await native.acquire(manual))
  keep('TokenStatus', await native.settled(manual))

  const own = { login: { function: true }, authUrl: undefined, clientId: undefined, clientSecret: undefined }
  const called = begin(own, (message) => {
    const { number } = JSON.parse(message)
    native.provide(number, JSON.stringify({ error: { what: 'threw an error', thrown: number } }))
  })
  keep('TokenStatus', await native.refresh(called))

  keep('TokenStatus', native.status(main))
  for (const id of [main, bound, manual, called]) await native.shutdown(id)
  await wait(100)
  return samples
}

test('what the core gives has the types that ts/ and users believe in', async (t) => {
  cleanEnvironment()
  const samples = await collect(t)
  for (const [type, values] of Object.entries(samples)) assert.notEqual(values.length, 0, type)
  assert.equal(compile(t, samples), '')

  const [status] = samples.TokenStatus
  const { healthy, ...lacking } = status
  assert.match(compile(t, { TokenStatus: [lacking] }), /Property 'healthy' is missing/)
  assert.match(
    compile(t, { TokenStatus: [{ ...status, healthy, mood: 'good' }] }),
    /'"mood"' does not exist in type 'TokenStatus'/,
  )
})
