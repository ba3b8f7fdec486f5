// The results as a Markdown table, one row a contender.
import { contender, CONTENDERS } from './plan.mjs'

const COLUMNS = [
  ['cached call, × bare', 'cached-call', (m) => `${m.ratio.toFixed(2)} (${formatNs(m.ns)})`],
  ['token requests: 10,000 cold callers', 'cold-callers', (m) => count(m.requests)],
  ['token requests: 60 s token, 1,000 calls', 'short-token', (m) => count(m.requests)],
  ['hung 2 s, token good: waited', 'hung-server', (m) => `${m.waited} of ${m.calls}`],
  ['503, token good: failed', 'failing-server', (m) => `${m.failed} of ${m.calls}`],
  ['start to first header, × bare start', 'start', (m) => `${m.ratio.toFixed(2)} (${Math.round(m.ms)} ms)`]
]

export function markdownTable(results) {
  const columns = COLUMNS.filter(([, caseName]) => results[caseName] !== undefined)
  const names = [...CONTENDERS, 'evertoken-method', 'evertoken-file']
    .filter((name) => columns.some(([, caseName]) => results[caseName][name] !== undefined))
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
const formatNs = (ns) => (ns < 1000 ? `${Math.round(ns)} ns` : `${(ns / 1000).toFixed(1)} µs`)
