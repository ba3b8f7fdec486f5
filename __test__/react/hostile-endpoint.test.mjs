// The monitor with any endpoint: every response is drawn or reported, and none causes an exception.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, it } from 'node:test'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { states } from '../../scripts/preview/states.mjs'
import { Card } from '../../lib/react/card.js'
import { ask } from '../../lib/react/endpoint.js'
import { statusFrom } from '../../lib/react/status.js'
import { oddValues, pathsIn, randomly, replaced } from '../support/hostile.mjs'

const now = Date.parse('2027-01-15T09:30:00Z')
const actions = { busy: null, result: null, run: async () => {} }

/** The HTML of a card with this status; what React complains of is thrown. */
function drawn(t, status, problem = null) {
  const complaints = t.mock.method(console, 'error', () => {}).mock
  const view = { status, receivedAt: status === null ? null : now, sentAt: now, problem }
  const html = renderToString(createElement(Card, { view, actions, now, title: 'Token' })).replace(
    /<style>.*<\/style>/s,
    '',
  )
  complaints.restore()
  assert.deepEqual(
    complaints.calls.map((call) => call.arguments),
    [],
  )
  assert.doesNotMatch(html, /<(img|script)\b|\[object|="[^"]*\b(NaN|Infinity|undefined)%?"/)
  return html
}

/** Whether a value has exactly the types of the good one. */
function assertTypesOf(good, value, path = 'status') {
  for (const [key, member] of Object.entries(good)) {
    const found = value[key]
    if (found === null || member === null) continue
    assert.equal(typeof found, typeof member, `${path}.${key}`)
    if (typeof member === 'number')
      assert.ok(Number.isFinite(found) && found >= 0, `${path}.${key} is ${found}`)
    if (typeof member === 'object' && !Array.isArray(member)) assertTypesOf(member, found, `${path}.${key}`)
  }
}

describe('a status with', () => {
  const [{ status: good }] = states
  const full = { ...good, lastError: { code: 'ERR_TOKEN_TIMEOUT', message: 'no answer', at: good.issuedAt } }

  it('with any value for each of its members, it is drawn or rejected', (t) => {
    let drawings = 0
    for (const path of pathsIn(full)) {
      for (const odd of [undefined, ...oddValues]) {
        // As it arrives: through JSON.
        const body = JSON.parse(JSON.stringify(replaced(full, path, odd)) ?? 'null')
        const status = statusFrom(body)
        if (status === null) continue
        assertTypesOf(good, status)
        drawn(t, status)
        drawings += 1
      }
    }
    assert.ok(drawings > 500, `${drawings}`)
  })

  it('with random values for several members, it is drawn or rejected', (t) => {
    const random = randomly(12)
    const anyOf = (list) => list[Math.floor(random() * list.length)]
    const bodies = states.map(({ status }) => status).filter(Boolean)
    let drawings = 0
    for (let run = 0; run < 400; run += 1) {
      let body = anyOf(bodies)
      for (let times = Math.ceil(random() * 6); times > 0; times -= 1)
        body = replaced(body, anyOf(pathsIn(body)), anyOf(oddValues))
      const status = statusFrom(JSON.parse(JSON.stringify(body) ?? 'null'))
      if (status === null) continue
      drawn(t, status)
      drawings += 1
    }
    assert.ok(drawings > 80, `${drawings}`)
  })

  it('the name of an inherited member as a code has no advice', (t) => {
    for (const code of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const html = drawn(t, statusFrom({ ...full, lastError: { ...full.lastError, code } }))
      assert.ok(!html.includes('evertoken-advice'))
    }
  })

  it('a long text and a long list are shortened', (t) => {
    const entry = { at: '2026-01-01T00:00:00Z', outcome: 'refreshed', durationMs: 1 }
    const body = { ...full, service: 'x'.repeat(1_000_000), history: new Array(1_000_000).fill(entry) }
    const began = performance.now()
    assert.ok(drawn(t, statusFrom(body)).length < 100_000)
    assert.ok(performance.now() - began < 2_000)
  })
})

describe('a response that is not a status', () => {
  const answers = [
    [204, ''],
    [200, ''],
    [200, 'null'],
    [200, '[]'],
    [200, '[[1]]'],
    [200, '7'],
    [200, '"valid"'],
    [200, '{}'],
    [200, '{"state":"valid"}'],
    [200, '<!doctype html><title>Sign in</title>'],
    [200, '{"state":'],
    [200, '['.repeat(100_000)],
    [500, '<h1>500</h1>'],
    [500, 'null'],
    [500, '[]'],
    [500, '{"error":"text"}'],
    [500, '{"error":null}'],
    [500, '{"error":{"code":1,"message":{}}}'],
    [500, '{"error":{"code":"__proto__","message":"no"}}'],
    [401, '{"error":{"message":[]}}'],
    [403, ''],
    [429, '{}'],
    [404, 'x'.repeat(1_000_000)],
    [502, JSON.stringify({ error: { message: 'no '.repeat(400_000) } })],
  ]

  it('is a problem in words, and is drawn', async (t) => {
    let answer
    const server = createServer((_, response) =>
      response.writeHead(answer[0], { 'retry-after': '-1e999', 'content-type': 'text/html' }).end(answer[1]),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    for (answer of answers) {
      const url = `http://127.0.0.1:${server.address().port}/status`
      const { problem } = await ask('GET', url, () => undefined, statusFrom, new AbortController().signal)
      assert.match(problem.message, /^[A-Z].+[.…]$/s, answer[1].slice(0, 80))
      assert.ok(problem.message.length < 1_200)
      assert.equal(problem.retryAfterSeconds, null)
      drawn(t, null, problem)
    }
    server.closeAllConnections()
  })

  it('is a problem if none comes', async (t) => {
    const server = createServer(() => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const asked = ask(
      'GET',
      `http://127.0.0.1:${server.address().port}/status`,
      () => undefined,
      statusFrom,
      new AbortController().signal,
    )
    t.mock.timers.tick(10_000)
    const { problem } = await asked
    assert.deepEqual(
      [problem.kind, problem.message],
      ['unreachable', 'The endpoint did not respond in time.'],
    )
    drawn(t, null, problem)
  })
})
