// The component on the server, and the rules behind it. What it does in a browser is tested in one: browser-monitor.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'node:test'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { TokenMonitor, useTokenStatus } from 'evertoken/react'
import { ask, sentence } from '../../lib/react/endpoint.js'
import { Facts } from '../../lib/react/facts.js'
import { lifetimeAt } from '../../lib/react/lifetime.js'
import { statusFrom } from '../../lib/react/status.js'
import { styles } from '../../lib/react/styles.js'
import { clockTime, distance, duration, meaningWithoutConsent, spokenTime } from '../../lib/react/text.js'

const folder = fileURLToPath(new URL('../../lib/react/', import.meta.url))

describe('TokenMonitor on the server', () => {
  it('renders a labeled section that is loading, without a request', (context) => {
    const fetch = context.mock.method(globalThis, 'fetch', () => Promise.reject(new Error('no')))
    const html = renderToString(createElement(TokenMonitor))
    const [, label] = /<section[^>]* aria-labelledby="([^"]+)"/.exec(html)
    assert.ok(html.includes(`id="${label}"`))
    assert.match(html, /aria-busy="true"/)
    assert.match(html, /Loading/)
    assert.match(html, /<button type="button"[^>]*>Refresh now<\/button>/)
    assert.equal(fetch.mock.callCount(), 0)
  })

  it('renders the same each time, so that hydration succeeds', () => {
    const render = () =>
      renderToString(createElement(TokenMonitor, { title: 'Token', className: 'mine', nonce: 'n' }))
    assert.equal(render(), render())
    assert.match(render(), /<section class="evertoken-monitor mine"/)
    assert.match(render(), /<style nonce="n">/)
  })

  it('writes its styles unchanged, because they contain nothing that a version of React escapes', () => {
    assert.ok(!/[<>&"']/.test(styles))
    assert.ok(renderToString(createElement(TokenMonitor)).includes(styles))
  })

  it('has the same dark colors for a dark system and for the dark theme', () => {
    const [bySystem, byTheme] = [...styles.matchAll(/\{([^{}]*color-scheme: dark;)/g)].map(([, colors]) =>
      colors.trim().split(/;\s*/),
    )
    assert.ok(bySystem.length > 10)
    assert.deepEqual(bySystem, byTheme)
  })

  it('styles nothing but its own classes', () => {
    const rules = [...styles.replaceAll(/@[^{]+\{/g, '').matchAll(/([^{}]+)\{[^{}]*\}/g)]
    assert.ok(rules.length > 40)
    for (const [, selector] of rules)
      assert.match(selector.trim(), /^(\.evertoken-[^,]+)(, \.evertoken-[^,]+)*/)
  })

  it('starts useTokenStatus in the same way', () => {
    const Word = () => createElement('p', null, JSON.stringify(useTokenStatus()))
    assert.match(renderToString(createElement(Word)), /&quot;status&quot;:null.*&quot;problem&quot;:null/)
  })
})

describe('the files of evertoken/react', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.js'))

  it("begin with 'use client' where a server component would import them", () => {
    assert.match(readFileSync(`${folder}index.js`, 'utf8'), /^'use client'/)
  })

  it('import React and each other, and nothing that needs Node', () => {
    for (const name of files) {
      for (const [, from] of readFileSync(folder + name, 'utf8').matchAll(
        /^(?:import|export)\b.*['"]([^'"]+)['"];?$/gm,
      )) {
        assert.ok(
          from === 'react' || from === 'react/jsx-runtime' || /^\.\/[\w-]+\.js$/.test(from),
          `${name} imports ${from}`,
        )
      }
    }
  })

  it('never write HTML by hand', () => {
    for (const name of files)
      assert.doesNotMatch(readFileSync(folder + name, 'utf8'), /innerHTML|insertAdjacentHTML/i)
  })
})

describe('a request to the endpoint', () => {
  it('ends with a problem if its headers cannot be created', async () => {
    const headers = () => {
      throw new Error('no session')
    }
    const { problem } = await ask(
      'GET',
      'http://localhost/',
      headers,
      statusFrom,
      new AbortController().signal,
    )
    assert.equal(problem.message, 'The headers for the endpoint could not be created.')
  })

  it('accepts as a status only what has all displayed members', () => {
    const status = { state: 'valid', scheduler: {}, storage: {}, counters: {}, history: [] }
    assert.equal(statusFrom(status).state, 'valid')
    for (const field of Object.keys(status))
      assert.equal(statusFrom({ ...status, [field]: undefined }), null, field)
    for (const other of [null, 'valid', [], { ...status, state: 'toString' }])
      assert.equal(statusFrom(other), null)
  })

  it('shows the message of an error as a sentence, and keeps URLs unchanged', () => {
    assert.deepEqual(
      ['the server said no', 'HTTP 400', 'https://a.example refused.', 'really?'].map(sentence),
      ['The server said no.', 'HTTP 400.', 'https://a.example refused.', 'Really?'],
    )
  })
})

describe('the lifetime of a token between two responses', () => {
  const receivedAt = 1_800_000_000_000
  /** The server's clock is an hour ahead of the browser's. */
  const serverNow = receivedAt + 3_600_000
  const status = {
    state: 'valid',
    issuedAt: new Date(serverNow - 25_000).toISOString(),
    refreshAt: new Date(serverNow + 50_000).toISOString(),
    expiresAt: new Date(serverNow + 75_000).toISOString(),
    expiresInSeconds: 75,
  }
  const after = (seconds, change) =>
    lifetimeAt({ ...status, ...change }, receivedAt, receivedAt + seconds * 1_000)

  it("continues by the browser's clock, even if that is wrong", () => {
    assert.deepEqual(after(0), {
      state: 'valid',
      leftSeconds: 75,
      serverNow,
      elapsed: 0.25,
      refreshPoint: 0.75,
    })
    assert.deepEqual(after(25), {
      state: 'valid',
      leftSeconds: 50,
      serverNow: serverNow + 25_000,
      elapsed: 0.5,
      refreshPoint: 0.75,
    })
  })

  it('is expiring from its refresh point on, and expired at its end', () => {
    assert.deepEqual(
      [49.999, 50, 74.999, 75].map((at) => after(at).state),
      ['valid', 'expiring', 'expiring', 'expired'],
    )
    assert.equal(after(1_000).leftSeconds, 0)
    assert.equal(after(1_000).elapsed, 1)
  })

  it('never changes the state of a missing token', () => {
    for (const state of ['missing', 'expired', 'manual']) assert.equal(after(1_000, { state }).state, state)
  })

  it('has no bar without a start or an end', () => {
    assert.equal(after(0, { issuedAt: null }).elapsed, null)
    assert.equal(after(0, { expiresAt: null, expiresInSeconds: null }).elapsed, null)
    assert.equal(after(0, { expiresAt: null, expiresInSeconds: null }).leftSeconds, null)
    assert.equal(after(0, { issuedAt: 'never' }).elapsed, null)
  })

  it("takes the server's clock from its response if the token does not show it", () => {
    const clock = (change, sentAt) =>
      lifetimeAt({ ...status, ...change }, receivedAt, receivedAt + 5_000, sentAt).serverNow
    assert.equal(clock({ expiresInSeconds: 0 }, serverNow), serverNow + 5_000)
    assert.equal(clock({ expiresAt: null, expiresInSeconds: null }, serverNow), serverNow + 5_000)
    assert.equal(clock({ expiresInSeconds: 0 }, null), receivedAt + 5_000)
  })

  it('does not go back when the clock of the browser does', () => {
    assert.equal(after(-30).leftSeconds, 75)
  })
})

describe('times', () => {
  it('read as on a clock', () => {
    assert.deepEqual([0, 0.2, 59, 60, 245, 3_599.5, 3_723, 90_000].map(clockTime), [
      '0:00',
      '0:01',
      '0:59',
      '1:00',
      '4:05',
      '1:00:00',
      '1:02:03',
      '1 d 01:00',
    ])
  })

  it('are spoken by their two largest units', () => {
    assert.deepEqual([0, 1, 61, 3_600, 93_784].map(spokenTime), [
      '0 seconds',
      '1 second',
      '1 minute 1 second',
      '1 hour',
      '1 day 2 hours',
    ])
  })

  it('are relative to now', () => {
    assert.deepEqual(
      [12_000, -12_000, 400].map((ms) => distance(ms, 0)),
      ['in 0:12', '0:12 ago', 'now'],
    )
    assert.deepEqual([0, 84.4, 1_250].map(duration), ['0 ms', '84 ms', '1.3 s'])
  })
})

describe('the consent among the facts', () => {
  const now = 1_800_000_000_000
  const day = 86_400_000
  const at = (time) => new Date(time).toISOString()
  const given = {
    state: 'valid',
    scheduler: {},
    storage: {},
    counters: {},
    history: [],
    issuedAt: at(now - 60_000),
    expiresAt: at(now + 3_540_000),
    expiresInSeconds: 3540,
  }

  function fact(changes) {
    const status = statusFrom({ ...given, ...changes })
    const lifetime = lifetimeAt(status, now, now)
    const html = renderToString(createElement(Facts, { status, lifetime, now }))
    const [, tone, text] =
      /<div[^>]*?(?: data-tone="(\w+)")?><dt>Consent<\/dt><dd>(.*?)<\/dd>/.exec(html) ?? []
    return [tone, text?.replaceAll(/<[^>]*>/g, '')]
  }

  it('is left out where nothing is known of one', () => {
    assert.deepEqual(fact({}), [undefined, undefined])
    assert.deepEqual(fact({ refreshTokenExpiresAt: 'soon' }), [undefined, undefined])
  })

  it('says when it ends, and warns a week before', () => {
    const [tone, text] = fact({ refreshTokenExpiresAt: at(now + 30 * day) })
    assert.equal(tone, undefined)
    assert.match(text, /^Consent ends .*\(in 30 d 00:00\)$/)
    assert.equal(fact({ refreshTokenExpiresAt: at(now + 6 * day), issuedAt: at(now - 60 * day) })[0], 'warn')
    // A refresh token that lives for 30 minutes, and is renewed before.
    assert.equal(fact({ refreshTokenExpiresAt: at(now + 1_740_000) })[0], undefined)
  })

  it('says that it has ended', () => {
    const [tone, text] = fact({ consentEndedAt: at(now - day) })
    assert.equal(tone, 'bad')
    assert.match(text, /^Consent has ended: .*\(1 d 00:00 ago\)$/)
    assert.match(fact({ refreshTokenExpiresAt: at(now - 1000) }).join(' '), /^bad Consent ended /)
    assert.equal(meaningWithoutConsent('expired'), 'The consent has ended: someone has to sign in again.')
    assert.match(meaningWithoutConsent('valid'), /^The token is valid\. The consent has ended/)
  })
})
