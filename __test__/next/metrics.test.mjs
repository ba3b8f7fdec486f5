// The metrics, read as Prometheus reads them.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { createTokenRoutes } from 'evertoken/next'
import { startMockTokenServer } from 'evertoken/testing'
import { promtool } from '../../scripts/support/promtool.mjs'
import { serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer({ expiresInSeconds: 3600 })

async function metricsOf(service) {
  return parse(await textOf(service))
}

async function textOf(service) {
  const { GET } = createTokenRoutes({ service: service.name })
  const response = await GET(new Request('http://localhost/api/token/metrics'))
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  return response.text()
}

/** Parses the text format, and throws if it is invalid. */
function parse(text) {
  assert.ok(text.endsWith('\n'))
  const families = new Map()
  let family
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name, rest] = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/.exec(line) ?? []
    if (word === 'HELP') {
      assert.ok(!families.has(name), `${name} comes twice`)
      families.set(name, (family = { name, help: rest, samples: [] }))
    } else if (word === 'TYPE') {
      assert.equal(family.name, name)
      family.type = rest
    } else {
      const [, sample, labels, value] =
        /^([a-z_:][a-z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (-?[0-9.e+]+)$/.exec(line) ?? []
      assert.equal(sample, family.name, `not a sample of ${family.name}: ${line}`)
      const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text])
      family.samples.push({ labels: Object.fromEntries(pairs), value: Number(value) })
    }
  }
  for (const { name, type } of families.values()) {
    assert.equal(type, name.endsWith('_total') ? 'counter' : 'gauge', name)
  }
  return families
}

const value = (families, name, labels = {}) =>
  families
    .get(`evertoken_${name}`)
    ?.samples.find((sample) => Object.entries(labels).every(([key, text]) => sample.labels[key] === text))
    ?.value

describe('the metrics', () => {
  it('are those of the status, with times in seconds', async (context) => {
    const service = serviceFor(context, server)
    await service.refresh()
    const families = await metricsOf(service)
    const status = service.status()
    assert.equal(value(families, 'healthy'), 1)
    assert.equal(value(families, 'token_state', { state: 'valid' }), 1)
    assert.equal(value(families, 'token_state', { state: 'expired' }), 0)
    assert.equal(value(families, 'token_expiry_timestamp_seconds'), Date.parse(status.expiresAt) / 1000)
    assert.equal(value(families, 'token_refresh_timestamp_seconds'), Date.parse(status.refreshAt) / 1000)
    assert.ok(Math.abs(value(families, 'token_expires_in_seconds') - 3600) <= 5)
    assert.equal(value(families, 'token_requests_total'), 1)
    assert.equal(value(families, 'refreshes_total'), 1)
    assert.equal(value(families, 'failures_total'), 0)
    assert.equal(value(families, 'storage_healthy', { kind: 'memory' }), 1)
    for (const { samples } of families.values()) {
      for (const { labels } of samples) assert.equal(labels.service, service.name)
    }
  })

  it('tell when a consent ends, and when it has ended', async (context) => {
    const expiring = await startMockTokenServer({ refreshTokenExpiresInSeconds: 86_400 })
    context.after(() => expiring.close())
    const refreshToken = expiring.consent()
    const service = serviceFor(context, expiring, { refreshToken, clientSecret: undefined })
    await service.refresh()
    const status = service.status()
    const end = Date.parse(status.refreshTokenExpiresAt) / 1000
    const families = await metricsOf(service)
    assert.equal(value(families, 'refresh_token_expires_timestamp_seconds'), end)
    assert.ok(!families.has('evertoken_consent_ended_timestamp_seconds'))
    expiring.endConsent()
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_CONSENT' })
    const ended = value(await metricsOf(service), 'consent_ended_timestamp_seconds')
    assert.ok(Math.abs(ended - Date.now() / 1000) < 60)
  })

  it('leave out unknown values', async (context) => {
    const families = await metricsOf(serviceFor(context, server))
    assert.equal(value(families, 'token_state', { state: 'missing' }), 1)
    assert.ok(!families.has('evertoken_token_expires_in_seconds'))
    assert.ok(!families.has('evertoken_last_error_timestamp_seconds'))
  })

  it('count a failure and contain its code', async (context) => {
    const service = serviceFor(context, server, { retry: { attempts: 1 } })
    server.script({ status: 500 })
    await assert.rejects(service.refresh())
    const families = await metricsOf(service)
    const { code } = service.status().lastError
    assert.equal(value(families, 'failures_total'), 1)
    assert.equal(value(families, 'consecutive_failures'), 1)
    assert.ok(Math.abs(value(families, 'last_error_timestamp_seconds', { code }) - Date.now() / 1000) < 60)
  })

  it("pass promtool's checks", async (context) => {
    const { path, reason } = await promtool()
    if (path === undefined) return context.skip(reason)
    const service = serviceFor(context, server, { service: 'a "name"', retry: { attempts: 1 } })
    await service.refresh()
    server.script({ status: 500 })
    await assert.rejects(service.refresh())
    const { status, stdout, stderr } = spawnSync(path, ['check', 'metrics'], {
      input: await textOf(service),
      encoding: 'utf8',
    })
    assert.equal(status, 0, `${stdout}${stderr}`)
    assert.equal(`${stdout}${stderr}`, '')
  })

  it('escape a name as the format wants it', async () => {
    const { metrics } = await import('../../lib/next/metrics.js')
    const status = {
      service: 'a"b\\c\nd',
      state: 'valid',
      healthy: true,
      source: null,
      tokenType: null,
      issuedAt: null,
      expiresAt: null,
      refreshAt: null,
      expiresInSeconds: null,
      lastRefreshAt: null,
      consecutiveFailures: 0,
      lastError: null,
      strategy: null,
      scheduler: { running: false, nextRefreshAt: null, lastHealthCheckAt: null },
      storage: { kind: 'memory', healthy: true },
      counters: { tokenRequests: 0, refreshes: 0, failures: 0, storeHits: 0, retriesOn401: 0 },
    }
    const families = parse(metrics(status))
    assert.equal(families.get('evertoken_healthy').samples[0].labels.service, 'a\\"b\\\\c\\nd')
  })
})
