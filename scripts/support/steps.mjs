// Runs steps one after another, times them, and says at the end what became of each.
import { parseArgs } from 'node:util'

/**
 * A step is `{ name, needs?, run }`. `run` resolves with what it has to show, `{ closing?: string[] }`, or with
 * `{ skipped: reason }`, and throws when it failed; an error may carry `closing`, too. A step whose `needs` did not
 * pass is not run. `--only a,b` runs just these and what they need.
 *
 * Resolves with whether everything passed.
 */
export async function runSteps(title, steps) {
  const outcomes = new Map()
  const begin = performance.now()
  for (const step of chosen(steps)) {
    const unmet = (step.needs ?? []).filter((name) => outcomes.get(name)?.status !== 'passed')
    outcomes.set(
      step.name,
      unmet.length > 0
        ? { status: 'not run', why: `${unmet.join(', ')} did not pass`, seconds: 0, closing: [] }
        : await runStep(step),
    )
  }
  console.log(`\n${summary(title, outcomes, (performance.now() - begin) / 1000)}`)
  return [...outcomes.values()].every(({ status }) => status === 'passed' || status === 'skipped')
}

function chosen(steps) {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  if (values.only === undefined) return steps
  const byName = new Map(steps.map((step) => [step.name, step]))
  const wanted = new Set()
  const want = (name) => {
    const step = byName.get(name)
    if (step === undefined)
      throw new Error(`no step is called ${name}; there are ${[...byName.keys()].join(', ')}`)
    for (const needed of step.needs ?? []) want(needed)
    wanted.add(name)
  }
  for (const name of values.only.split(',')) want(name)
  return steps.filter(({ name }) => wanted.has(name))
}

async function runStep({ name, run }) {
  console.log(`\n=== ${name}`)
  const begin = performance.now()
  const outcome = await run().then(
    ({ skipped, closing = [] } = {}) => ({ status: skipped ? 'skipped' : 'passed', why: skipped, closing }),
    (error) => ({ status: 'FAILED', why: error.message, closing: error.closing ?? [] }),
  )
  const seconds = (performance.now() - begin) / 1000
  if (outcome.why) console.log(`${name}: ${outcome.status}: ${outcome.why}`)
  return { ...outcome, seconds }
}

function summary(title, outcomes, seconds) {
  const lines = [`=== ${title}: summary`]
  for (const [name, { status, why, seconds: taken, closing }] of outcomes) {
    const [reason] = (why ?? '').split('\n')
    lines.push(
      `${status.padEnd(8)}${name.padEnd(14)}${taken.toFixed(1).padStart(7)} s${reason ? `  ${reason}` : ''}`,
    )
    lines.push(...closing.map((line) => `          ${line}`))
  }
  const failed = [...outcomes].filter(([, { status }]) => status !== 'passed' && status !== 'skipped')
  lines.push(
    failed.length === 0
      ? `${title} passed in ${seconds.toFixed(0)} s`
      : `${title} FAILED in ${seconds.toFixed(0)} s: ${failed.map(([name]) => name).join(', ')}`,
  )
  return lines.join('\n')
}

/** Throws unless the program ended well, and takes the closing lines along either way. */
export function settle({ code, output }, what, closing = []) {
  if (code === 0) return { closing }
  const tail = output.trimEnd().split('\n').at(-1)
  throw Object.assign(new Error(`${what} ${code === null ? `was ended: ${tail}` : `ended with ${code}`}`), {
    closing,
  })
}
