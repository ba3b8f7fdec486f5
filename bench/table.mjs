// The results as a Markdown table, one row a contender.
import { contender, CONTENDERS, KEYED, SLOW, STORED } from './plan.mjs'

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
  ['token requests: a start and its restarts', 'restart', (m) => `${count(m.requests)} in ${m.starts}`],
]

export function markdownTable(results) {
  const columns = COLUMNS.filter(([, caseName]) => results[caseName] !== undefined)
  const names = [...CONTENDERS, 'evertoken-method', ...STORED, ...KEYED, SLOW].filter((name) =>
    columns.some(([, caseName]) => results[caseName][name] !== undefined),
  )
  const rows = names.map((name) => {
    const cells = columns.map(([, caseName, show]) => cell(results[caseName][name], show))
    return [name === 'evertoken' ? '**evertoken**' : contender(name).title, ...cells]
  })
  return [['', ...columns.map(([title]) => title)], ['---', ...columns.map(() => '---:')], ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function cell(measured, show) {
  if (measured === undefined) return ''
  return measured.error === undefined ? show(measured) : 'failed'
}

const count = (number) => number.toLocaleString('en-US')
const unserved = ({ callers, served }) => (served === callers ? '' : ` (${count(callers - served)} unserved)`)
const formatNs = (ns) => (ns < 1000 ? `${Math.round(ns)} ns` : `${(ns / 1000).toFixed(1)} µs`)
