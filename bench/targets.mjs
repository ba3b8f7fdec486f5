// What evertoken promises. Counts are the same on every machine; times need a quiet one.
import { BY_URL, KEYED, SCALE, SHARED, SLOW, STORED, scaleName } from './plan.mjs'

const target = (caseName, contender, what, limit, value) => ({ caseName, contender, what, limit, value })

/** At which sizes evertoken promises the same of each service. */
const SIZES = [1_000, 10_000, 100_000]
const KB_EACH = { evertoken: 8, 'evertoken-file': 12, 'evertoken-sqlite': 12 }
const FIRST_TOKEN_MS = { evertoken: 1, 'evertoken-file': 5, 'evertoken-sqlite': 2 }

/** The targets of the case `scale`: `describe` takes the contender. */
const scaleTargets = (describe) =>
  SIZES.flatMap((size) =>
    SCALE.contenders(size)
      .filter((name) => name in KB_EACH)
      .flatMap((name) =>
        describe(name).map(([what, limit, value]) =>
          target(scaleName(size), name, `${what}, ${size} services, ${name}`, limit, value),
        ),
      ),
  )

const scaleCounts = scaleTargets((name) => [
  ['token requests besides one for each service', 0, (m) => Math.abs(m.requests - m.services)],
  ['services without a header', 0, (m) => m.services - m.served],
  ['sockets at once', 16, (m) => m.sockets],
  ['threads beyond those of Node', 16, (m) => m.threads ?? 0],
  ['open files beyond those of Node', 64, (m) => m.files ?? 0],
  ['KB of memory for each service, before its token', KB_EACH[name], (m) => m.kbWithoutToken],
  ['refreshes in the fullest second, as a share of all', 0.1, (m) => m.fullestSecond / m.services],
])

const scaleTimes = scaleTargets((name) => [
  ['µs for an initialization', 100, (m) => m.initUs],
  ['ms for each first token, all at once', FIRST_TOKEN_MS[name], (m) => m.atOnceMs],
  ['share of a core while idle', 0.01, (m) => m.idleShare],
  ['cached call by name, compared with a bare async function', 1.3, (m) => m.byName],
])

export const COUNT_TARGETS = [
  target('cold-callers', 'evertoken', 'token requests of 10,000 cold callers', 1, (m) => m.requests),
  target('cold-callers', 'evertoken', 'cold callers without a header', 0, (m) => m.callers - m.served),
  ...SHARED.flatMap((name) => [
    target('processes', name, `token requests of 8 processes, ${name}`, 1, (m) => m.requests),
    target(
      'processes',
      name,
      `callers without a header in 8 processes, ${name}`,
      0,
      (m) => m.callers - m.served,
    ),
    target('restart', name, `token requests of a start and its restarts, ${name}`, 1, (m) => m.requests),
  ]),
  target('short-token', 'evertoken', 'token requests of 1,000 calls with a 60 s token', 1, (m) => m.requests),
  target(
    'short-token',
    'evertoken',
    'calls without a header with a 60 s token',
    0,
    (m) => m.calls - m.served,
  ),
  target('hung-server', 'evertoken', 'callers that waited for a hung server', 0, (m) => m.waited),
  target('hung-server', 'evertoken', 'calls that failed with a hung server', 0, (m) => m.failed),
  target('failing-server', 'evertoken', 'calls that failed with a failing server', 0, (m) => m.failed),
  ...scaleCounts,
]

export const TIMING_TARGETS = [
  target(
    'cached-call',
    'evertoken',
    'cached call, compared with a bare async function',
    1.15,
    (m) => m.ratio,
  ),
  target('cached-call', 'evertoken-method', 'the same through the method', 1.15, (m) => m.ratio),
  ...[
    ['start', 'evertoken', 1.2],
    ['start', 'evertoken-file', 1.3],
    ['start', SLOW, 1.6],
    ...[...STORED, ...KEYED].map((name) => ['restart', name, 1.25]),
    // They log in at a server. Through a client, most of the time is the client's.
    ...BY_URL.map((name) => ['restart', name, 1.5]),
    ['restart', SLOW, 1.6],
  ].map(([caseName, name, limit]) =>
    target(
      caseName,
      name,
      `${caseName} to first header, compared with a bare start, ${name}`,
      limit,
      (m) => m.ratio,
    ),
  ),
  ...scaleTimes,
]

/**
 * The sentences about what was missed, none when all is well. A target without a measurement is missed, except where
 * this machine cannot have the store.
 */
export function missed(targets, results) {
  return targets.flatMap(({ caseName, contender, what, limit, value }) => {
    if (results[caseName] === undefined) return []
    const measured = results[caseName][contender]
    if (measured?.skipped !== undefined) return []
    if (measured === undefined || measured.error !== undefined) return [`${what}: no result`]
    return value(measured) <= limit ? [] : [`${what}: ${value(measured)}, at most ${limit}`]
  })
}

/**
 * The sentences about what proves nothing: evertoken was spared by a stall or a failure only if its refresh met
 * it, so the server must have been asked a second time.
 */
export function unproven(results) {
  return ['hung-server', 'failing-server'].flatMap((caseName) => {
    const measured = results[caseName]?.evertoken
    return measured?.requests === 1 ? [`${caseName}: evertoken never met it, no refresh was tried`] : []
  })
}

/** The sentences about contenders that were asked for and could not be measured on this machine. */
export function unmeasured(results, asked) {
  return Object.entries(results).flatMap(([caseName, measured]) =>
    Object.entries(measured)
      .filter(([name, { skipped }]) => skipped !== undefined && asked.includes(name))
      .map(([name, { skipped }]) => `${caseName}, ${name}: ${skipped}`),
  )
}
