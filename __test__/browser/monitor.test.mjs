// The monitor in a browser, in each React it supports, worked by keyboard and by mouse: what it sends and what it says.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertAccessible } from '../support/axe.mjs'
import { oddValues } from '../support/hostile.mjs'
import { liveStatus, never, reacts } from '../support/monitor-page.mjs'
import { describeMonitor } from '../support/monitor-suite.mjs'

const services = ['orders', 'invoices', 'reports'].map((name) => ({ name, endpoint: `/api/${name}` }))
const failure = (status, code, message, headers) => ({ status, headers, body: { error: { code, message } } })

for (const react of reacts) {
  describeMonitor(`the monitor in React ${react}`, (monitor) => {
    const { button, reads, arrived, reached } = monitor
    const open = (options) => monitor.open({ react, ...options })
    const results = () => monitor.page.locator('.evertoken-footer [role=status]')
    const focused = () => monitor.page.evaluate(() => document.activeElement.textContent)

    const left = (text) => monitor.page.locator('.evertoken-left', { hasText: text })

    /** Before the first press can have been drawn. */
    const pressTwice = (name) =>
      button(name).evaluate((pressed) => {
        pressed.click()
        pressed.click()
      })

    it('hydrates what the server has rendered, without a warning', async () => {
      await open({ isRendered: true, isStrict: true, props: { nonce: 'abc', title: 'Orders & more' } })
      await monitor.page.locator('.evertoken-left').waitFor()
      assert.deepEqual(monitor.page.troubles, [])
    })

    for (const [why, answer, badge, said] of [
      [
        '401',
        failure(401, 'ERR_ROUTE_UNAUTHORIZED', 'the secret is missing'),
        'No access',
        /^You are not signed in\. The secret is missing\. Sign in, or/,
      ],
      [
        '403',
        failure(403, 'ERR_ROUTE_FORBIDDEN', 'the secret is not set'),
        'No access',
        /^You do not have permission to see this\. The secret is not set\. Your account/,
      ],
      [
        'a redirect to a sign-in page',
        { status: 307, headers: { location: '/page/0' } },
        'Unknown',
        /^The endpoint responded with a web page.* reload this page\.$/,
      ],
      [
        'no such route',
        { status: 404, body: '<h1>404</h1>' },
        'Unknown',
        /^The endpoint responded with status 404\.$/,
      ],
    ]) {
      it(`starts with ${why}: says so, and stays small`, async () => {
        monitor.pages.page({ react })
        monitor.pages.routes.token = { GET: answer }
        await open()
        assert.equal(await monitor.page.locator('.evertoken-badge').textContent(), badge)
        assert.match(await monitor.page.locator('.evertoken-notice').textContent(), said)
        assert.equal(await monitor.page.locator('.evertoken-details').count(), 0)
        await assertAccessible(monitor.page)
      })
    }

    it('draws any response of the endpoint without an exception', async () => {
      const answers = oddValues.slice(0, 32).flatMap((odd) => [
        odd,
        liveStatus({ service: odd, history: odd, lastError: { code: odd, message: odd, at: odd } }),
        liveStatus({
          expiresAt: odd,
          expiresInSeconds: odd,
          strategy: odd,
          lastError: { code: '__proto__', message: 'x', at: null },
        }),
      ])
      const given = answers.values()
      monitor.pages.routes.token = {
        GET: () => ({
          body: JSON.stringify(given.next().value ?? null),
          headers: { 'content-type': 'application/json' },
        }),
      }
      await open({ isStill: true, props: { refreshIntervalMs: 500 } })
      await reached(answers.length, 'token', () => monitor.page.clock.runFor(1_000))
      await arrived()
      assert.equal(await monitor.page.locator('section.evertoken-monitor').count(), 1)
      assert.deepEqual(monitor.page.troubles, [])
    })

    describe('tabs', () => {
      const tab = (name) => monitor.page.getByRole('tab', { name, exact: true })

      it('are moved through by the arrow keys, Home and End, and name their panel', async () => {
        await open({ props: { services } })
        await tab('orders').focus()
        const moves = [
          ['ArrowRight', 'invoices'],
          ['End', 'reports'],
          ['ArrowRight', 'orders'],
          ['ArrowLeft', 'reports'],
          ['Home', 'orders'],
        ]
        for (const [key, name] of moves) {
          await monitor.page.keyboard.press(key)
          assert.equal(await monitor.page.evaluate(() => document.activeElement.textContent), name, key)
          assert.deepEqual(
            await monitor.page
              .getByRole('tab')
              .evaluateAll((all) => all.map((each) => [each.ariaSelected, each.tabIndex])),
            services.map((each) => (each.name === name ? ['true', 0] : ['false', -1])),
          )
          const panel = monitor.page.getByRole('tabpanel', { name })
          assert.equal(await panel.getAttribute('id'), await tab(name).getAttribute('aria-controls'))
          await panel.locator('.evertoken-service', { hasText: name }).waitFor()
        }
        await assertAccessible(monitor.page, '.evertoken-services')
      })

      it('ask about the chosen service only', async () => {
        await open({ isStill: true, props: { services } })
        const later = () => monitor.page.clock.runFor(1_000)
        await reached(2, 'orders', later)
        assert.equal(reads('invoices') + reads('reports'), 0)
        await tab('reports').click()
        await reached(1, 'reports')
        const before = reads('orders')
        await reached(3, 'reports', later)
        assert.deepEqual([reads('orders'), reads('invoices')], [before, 0])
      })
    })

    describe('Clear', () => {
      const question = () => monitor.page.getByRole('group', { name: /^Clear the token/ })
      const sent = () => monitor.pages.count({ method: 'DELETE' })

      it('asks first; Escape and Keep it change nothing, and give the focus back', async () => {
        await open()
        for (const leave of ['Escape', 'Enter']) {
          await button('Clear').focus()
          await monitor.page.keyboard.press('Enter')
          await question().waitFor()
          assert.equal(await focused(), 'Keep it')
          await monitor.page.keyboard.press(leave)
          await question().waitFor({ state: 'detached' })
          assert.equal(await focused(), 'Clear')
        }
        await arrived()
        assert.equal(sent(), 0)
      })

      it('is not confirmed by a double click', async () => {
        for (const width of [375, 1280]) {
          await open()
          await monitor.page.setViewportSize({ width, height: 900 })
          await button('Clear').dblclick()
          await arrived()
          assert.equal(sent(), 0)
        }
      })

      it('is sent once, and reported', async () => {
        monitor.pages.routes.token = { DELETE: { body: { cleared: true } } }
        await open()
        await button('Clear').click()
        await assertAccessible(monitor.page)
        await pressTwice('Clear it')
        await results()
          .getByText(/^Cleared at/)
          .waitFor()
        assert.equal(await focused(), 'Clear')
        assert.equal(sent(), 1)
      })
    })

    describe('Refresh now', () => {
      const sent = () => monitor.pages.count({ method: 'POST', path: 'refresh' })

      it('is sent once for any number of clicks, and shows the progress and the result', async () => {
        let answer
        monitor.pages.routes.token = { POST: () => new Promise((resolve) => (answer = resolve)) }
        await open()
        await pressTwice('Refresh now')
        await button('Refresh now').dblclick({ force: true })
        await results().getByText('Refreshing…').waitFor()
        assert.equal(
          await monitor.page.locator('[aria-busy=true]').count(),
          0,
          'what is busy keeps its news to itself',
        )
        await assertAccessible(monitor.page)
        answer({ body: liveStatus({ leftSeconds: 9_000 }) })
        await results()
          .getByText(/^Refreshed at/)
          .waitFor()
        assert.equal(sent(), 1)
      })

      it('shows its result, even if a status request in between ended first', async () => {
        let answer
        await open({ props: { refreshIntervalMs: 500 } })
        monitor.pages.routes.token = {
          GET: () => ({ body: liveStatus({ leftSeconds: 1_200 }) }),
          POST: () => new Promise((resolve) => (answer = resolve)),
        }
        await button('Refresh now').click()
        await left(/^(20:00|19:)/).waitFor()
        monitor.pages.routes.token = { GET: never }
        answer({ body: liveStatus({ leftSeconds: 9_000 }) })
        await results()
          .getByText(/^Refreshed at/)
          .waitFor()
        await left(/^2:(30:00|29:)/).waitFor()
      })

      for (const [why, answer, said] of [
        [
          '429',
          failure(429, 'ERR_TOKEN_RATE_LIMITED', 'too many requests', { 'retry-after': '17' }),
          /^Not refreshed: Too many requests\. Try again in 17 s\.$/,
        ],
        [
          '502',
          failure(502, 'ERR_TOKEN_CREDENTIALS', 'the server rejected the credential'),
          /^Not refreshed: The server rejected the credential\. Check the credentials/,
        ],
        [
          '401',
          failure(401, 'ERR_ROUTE_UNAUTHORIZED', 'the secret is missing'),
          /^Not refreshed: You are not signed in\. The secret is missing\. Sign in/,
        ],
        [
          '403',
          failure(403, 'ERR_ROUTE_FORBIDDEN', 'not from there'),
          /^Not refreshed: You do not have permission to do this\. Not from there\. Your account/,
        ],
        [
          'a sign-in page',
          { body: '<!doctype html><form>Sign in</form>' },
          /^Not refreshed: The endpoint responded with a web page.* sign-in/,
        ],
        [
          'a redirect to one',
          { status: 302, headers: { location: '/page/0' } },
          /^Not refreshed: The endpoint responded with a web page.* sign-in/,
        ],
        [
          'broken JSON',
          { headers: { 'content-type': 'application/json' }, body: '{"state":' },
          /^Not refreshed: The endpoint responded with something other than a status\.$/,
        ],
        [
          'JSON of something else',
          { body: { state: 'valid', scheduler: {}, storage: {} } },
          /^Not refreshed: The endpoint responded with something other than a status\.$/,
        ],
      ]) {
        it(`explains ${why}, and what to do`, async () => {
          monitor.pages.page({ react })
          monitor.pages.routes.token = { POST: answer }
          await open()
          await button('Refresh now').click()
          await results()
            .getByText(/^Not refreshed/)
            .waitFor()
          assert.match(await results().textContent(), said)
          assert.equal(await monitor.page.locator('.evertoken-badge').textContent(), 'Valid')
          await assertAccessible(monitor.page)
        })
      }
    })
  })
}
