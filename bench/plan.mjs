// What is measured, of whom, and against which server.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** In the order of the table. The first takes part only where no token server is needed. */
export const CONTENDERS = ['bare', 'single-flight', 'smithy', 'badgateway', 'google', 'msal', 'evertoken']

export const contender = (name) => require(`./contenders/${name}.cjs`)

/** Long enough that ten thousand callers are all there before the one answer comes. */
const ANSWER_MS = 50
const FIVE_MINUTES_AND_A_SECOND = require('./support/client.cjs').FIRST_LIFE_SECONDS

/** Where processes of a machine share a store. evertoken in memory has none to share, as most others. */
export const STORED = ['evertoken-file', 'evertoken-sqlite']
/** Where replicas share a server, to which evertoken connects by itself. */
export const BY_URL = ['evertoken-postgres', 'evertoken-redis']
/** The same through a client that the program has. */
export const BY_CLIENT = ['evertoken-pg-pool', 'evertoken-prisma', 'evertoken-node-redis']
/** All of evertoken's stores that processes share. */
export const SHARED = [...STORED, ...BY_URL, ...BY_CLIENT]
/** With a key that is configured, as in production, and not derived from the credential at each start. */
export const KEYED = STORED.map((name) => `${name}-key`)
/** With a password, from which a key is derived slowly. */
export const SLOW = 'evertoken-file-password'
const PEERS = CONTENDERS.filter((name) => name !== 'bare' && name !== 'evertoken')
/** The one of them that brings a store to share. */
const PEER_SHARED = 'msal-redis'

/** What a start pays for its client alone, which contenders name as their `baseline`. */
const BASELINES = ['bare-pg-pool', 'bare-prisma', 'bare-node-redis']

/** The rows of the table, in order. */
export const ROWS = [
  'bare',
  ...BASELINES,
  ...PEERS,
  PEER_SHARED,
  'evertoken',
  'evertoken-method',
  ...STORED,
  ...KEYED,
  SLOW,
  ...BY_URL,
  ...BY_CLIENT,
]

/** The answers of the token server: to the first request, and to all later ones. */
const first = (name) => ({ expiresIn: contender(name).firstLifeSeconds ?? FIVE_MINUTES_AND_A_SECOND })

/** `processes`: how many take part, where it is more than one. */
export const CASES = [
  {
    name: 'cached-call',
    contenders: [...CONTENDERS, 'evertoken-method'],
    server: () => ({ first: { expiresIn: 36_000 } }),
  },
  {
    name: 'cold-callers',
    contenders: CONTENDERS.slice(1),
    server: () => ({ first: { expiresIn: 3600, delayMs: ANSWER_MS } }),
  },
  {
    name: 'processes',
    processes: 8,
    contenders: [...PEERS, PEER_SHARED, ...SHARED],
    server: () => ({ first: { expiresIn: 3600, delayMs: ANSWER_MS } }),
  },
  {
    name: 'short-token',
    contenders: CONTENDERS.slice(1),
    server: () => ({ first: { expiresIn: 60, delayMs: 5 } }),
  },
  {
    name: 'hung-server',
    contenders: CONTENDERS.slice(1),
    server: (name) => ({ first: first(name), later: { expiresIn: 3600, delayMs: 2_000 } }),
  },
  {
    name: 'failing-server',
    contenders: CONTENDERS.slice(1),
    server: (name) => ({ first: first(name), later: { status: 503 } }),
  },
]

/** A client or service for each of many tenants. With more of them, fewer contenders take part. */
export const SCALE = {
  name: 'scale',
  /** Measured where nothing else is asked for. */
  sizes: [1_000],
  contenders: (size) => {
    if (size > 10_000) return ['evertoken']
    const ours = ['evertoken', ...STORED]
    return size > 1_000 ? ['single-flight', ...ours] : ['single-flight', 'google', 'msal', ...ours]
  },
}

/** The name under which the results of this size are kept. */
export const scaleName = (size) => `${SCALE.name}-${size}`

/** `keepsStore`: whether a start finds what the one before it stored. */
export const START_CASES = [
  { name: 'start', keepsStore: false, contenders: [...CONTENDERS.slice(1), 'evertoken-file', SLOW] },
  {
    name: 'restart',
    keepsStore: true,
    contenders: [...BASELINES, ...PEERS, PEER_SHARED, ...SHARED, ...KEYED, SLOW],
  },
]
