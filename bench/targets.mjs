// What evertoken promises. Counts are the same on every machine; times need a quiet one.
import { KEYED, SLOW, STORED } from './plan.mjs'

const target = (caseName, contender, what, limit, value) => ({ caseName, contender, what, limit, value })

export const COUNT_TARGETS = [
  target('cold-callers', 'evertoken', 'token requests of 10,000 cold callers', 1, (m) => m.requests),
  target('cold-callers', 'evertoken', 'cold callers without a header', 0, (m) => m.callers - m.served),
  ...STORED.flatMap((name) => [
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
]

/** The sentences about what was missed, none when all is well. A target without a measurement is missed. */
export function missed(targets, results) {
  return targets.flatMap(({ caseName, contender, what, limit, value }) => {
    if (results[caseName] === undefined) return []
    const measured = results[caseName][contender]
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
