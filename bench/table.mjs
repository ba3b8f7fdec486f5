// The results as Markdown tables, one row a contender.
import { contender, ROWS, SCALE } from './plan.mjs'

const start = (m) => `${m.ratio.toFixed(2)} (${Math.round(m.ms)} ms)`

const COLUMNS = [
  ['cached call, × bare', 'cached-call', (m) => `${m.ratio.toFixed(2)} (${formatNs(m.ns)})`],
  ['token requests: 10,000 cold callers', 'cold-callers', (m) => count(m.requests)],
  ['token requests: 8 processes × 200 callers', 'processes', (m) => count(m.requests) + unserved(m)],
  ['token requests: 60 s token, 1,000 calls', 'short-token', (m) => count(m.requests)],
  ['hung 2 s, token good: waited', 'hung-server', (m) => `${m.waited} of ${m.calls}`],
  ['503, token good: failed', 'failing-server', (m) => `${m.failed} of ${m.calls}`],
  ['start to first header, × bare start', 'start', start],
  ['restart to first header, × bare start', 'restart', start],
  ['restart, × a start with the same client', 'restart', (m) => m.baselineRatio?.toFixed(2) ?? ''],
  ['token requests: a start and its restarts', 'restart', (m) => `${count(m.requests)} in ${m.starts}`],
]

const SCALE_COLUMNS = [
  ['KB each, before its token', (m) => m.kbWithoutToken.toFixed(1)],
  ['KB each, with its token', (m) => m.kbWithToken.toFixed(1)],
  ['initialization, µs', (m) => count(Math.round(m.initUs))],
  ['first token, all at once, ms each', (m) => m.atOnceMs.toFixed(2)],
  ['first token, one after another, ms', (m) => m.oneByOneMs.toFixed(2)],
  ['idle, % of a core', (m) => (m.idleShare * 100).toFixed(1)],
  ['open files', (m) => known(m.files)],
  ['threads', (m) => known(m.threads)],
  ['sockets at once', (m) => count(m.sockets)],
  ['token requests', (m) => count(m.requests) + unserved({ callers: m.services, served: m.served })],
  ['call by name, × bare', (m) => m.byName.toFixed(2)],
  ['another name each time, × bare', (m) => m.byNameInTurn.toFixed(2)],
  ['refreshes in the fullest second, of a window', (m) => spread(m)],
  ['KB each, after shutdown', (m) => m.kbAfterShutdown?.toFixed(1) ?? ''],
]

/** What was measured with many tenants; empty where nothing was. */
export function scaleTable(results) {
  const rows = Object.entries(results)
    .filter(([caseName]) => caseName.startsWith(`${SCALE.name}-`))
    .flatMap(([caseName, measured]) =>
      Object.entries(measured).map(([name, m]) => [
        count(Number(caseName.slice(SCALE.name.length + 1))),
        titleOf(name),
        ...SCALE_COLUMNS.map(([, show]) => cell(m, show)),
      ]),
    )
  if (rows.length === 0) return ''
  return table(['services', '', ...SCALE_COLUMNS.map(([title]) => title)], rows, 2)
}

export function markdownTable(results) {
  const columns = COLUMNS.filter(([, caseName]) => results[caseName] !== undefined)
  if (columns.length === 0) return ''
  const measuredOf = (name) => columns.map(([, caseName]) => results[caseName][name])
  const names = ROWS.filter((name) => measuredOf(name).some((m) => m !== undefined))
  const rows = names.map((name) => {
    const measured = measuredOf(name)
    const reason = measured.find((m) => m?.skipped !== undefined)?.skipped
    const title = reason === undefined ? titleOf(name) : `${titleOf(name)} (skipped: ${reason})`
    return [title, ...columns.map(([, , show], index) => cell(measured[index], show))]
  })
  return table(['', ...columns.map(([title]) => title)], rows, 1)
}

/** A Markdown table; the first `left` columns are text. */
function table(titles, rows, left) {
  return [titles, titles.map((_, index) => (index < left ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

const titleOf = (name) => (name === 'evertoken' ? '**evertoken**' : contender(name).title)

function cell(measured, show) {
  if (measured === undefined) return ''
  if (measured.skipped !== undefined) return 'skipped'
  return measured.error === undefined ? show(measured) : 'failed'
}

const count = (number) => number.toLocaleString('en-US')
const unserved = ({ callers, served }) => (served === callers ? '' : ` (${count(callers - served)} unserved)`)
const formatNs = (ns) => (ns < 1000 ? `${Math.round(ns)} ns` : `${(ns / 1000).toFixed(1)} µs`)
const known = (number) => (number === null ? 'unknown' : count(number))
const spread = ({ services, fullestSecond, refreshWindowSeconds }) =>
  fullestSecond === undefined
    ? ''
    : `${((fullestSecond / services) * 100).toFixed(1)} % of ${Math.round(refreshWindowSeconds)} s`
