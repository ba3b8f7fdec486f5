// The monitor in a browser, on a page with nothing else, in each React it supports: when it asks, what it says, and
// that it is worked by keyboard.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { assertAccessible } from './support/axe.mjs'
import { noBrowser, openPage, startBrowser } from './support/browser.mjs'
import { liveStatus, never, reacts, startMonitorPages } from './support/monitor-page.mjs'

const services = ['orders', 'invoices', 'reports'].map((name) => ({ name, endpoint: `/api/${name}` }))
const failure = (status, code, message, headers) => ({ status, headers, body: { error: { code, message } } })

for (const react of reacts) {
  describe(`the monitor in React ${react}`, { skip: noBrowser }, () => {
    let browser
    let pages
    let page

    before(async () => {
      ;[browser, pages] = await Promise.all([startBrowser(), startMonitorPages()])
    })
    after(async () => {
      await browser?.close()
      await pages?.close()
    })
    afterEach(async () => {
      await page?.context().close()
      pages.reset()
    })

    const button = (name) => page.getByRole('button', { name, exact: true })
    const results = () => page.locator('.evertoken-footer [role=status]')
    const reads = (service = 'token') => pages.count({ service, method: 'GET', path: 'status' })

    /** Opens a page; its clock only moves by `page.clock` when `isStill`. */
    async function open({ isStill = false, clock = Date.now(), ...options } = {}) {
      page = await openPage(browser)
      if (isStill) {
        await page.clock.install({ time: clock })
        await page.clock.pauseAt(clock + 1_000)
      }
      await page.goto(pages.page({ react, ...options }))
      await page.locator('.evertoken-badge', { hasNotText: 'Loading' }).waitFor()
    }

    /** Resolves when what the page has sent so far has come. */
    const arrived = () => page.evaluate(async () => void (await fetch('/api/marker/status')).text())

    const show = (state) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => value })
        document.dispatchEvent(new Event('visibilitychange'))
      }, state)

    /** Before the first press can have been drawn. */
    const pressTwice = (name) =>
      button(name).evaluate((pressed) => {
        pressed.click()
        pressed.click()
      })

    const until = (condition) => page.waitForFunction(condition)
    const reached = (count) => assert.doesNotReject(async () => {
      const patience = AbortSignal.timeout(15_000)
      while (count() === false) {
        patience.throwIfAborted()
        await arrived()
      }
    })

    it('takes over what the server has rendered, without a warning', async () => {
      await open({ isRendered: true, isStrict: true, props: { nonce: 'abc', title: 'Orders & more' } })
      await page.locator('.evertoken-left').waitFor()
      assert.deepEqual(page.troubles, [])
    })

    for (const [why, answer, badge, said] of [
      ['401', failure(401, 'ERR_ROUTE_UNAUTHORIZED', 'the secret is missing'), 'No access', /^You are not signed in here\. The secret is missing\. Sign in, or/],
      ['403', failure(403, 'ERR_ROUTE_FORBIDDEN', 'there is no secret'), 'No access', /^You may not see this\. There is no secret\. Your account/],
      ['a redirect to a sign-in page', { status: 307, headers: { location: '/page/0' } }, 'Unknown', /^The endpoint answers with a web page.* reload this page\.$/],
      ['no such route', { status: 404, body: '<h1>404</h1>' }, 'Unknown', /^The endpoint answers with status 404\.$/],
    ]) {
      it(`begins with ${why}: says so, and stays small`, async () => {
        pages.page({ react })
        pages.routes.token = { GET: answer }
        await open()
        assert.equal(await page.locator('.evertoken-badge').textContent(), badge)
        assert.match(await page.locator('.evertoken-notice').textContent(), said)
        assert.equal(await page.locator('.evertoken-details').count(), 0)
        await assertAccessible(page)
      })
    }

    describe('polling', () => {
      it('rests while the page is hidden, and goes on at once when it is seen', async () => {
        await open({ isStill: true })
        await page.clock.runFor(5_100)
        await reached(() => reads() === 2)
        await show('hidden')
        await page.clock.runFor(60_000)
        await arrived()
        assert.equal(reads(), 2)
        await show('visible')
        await reached(() => reads() === 3)
      })

      it('never asks again before it has an answer, and asks again after one that hung', async () => {
        await open({ isStill: true })
        pages.routes.token = { GET: never }
        await page.clock.runFor(5_100)
        await page.clock.runFor(4_000)
        await show('hidden')
        await show('visible')
        await page.clock.runFor(5_000)
        await arrived()
        assert.equal(reads(), 2)
        pages.routes.token = {}
        await page.clock.runFor(1_000)
        await page.getByText('The endpoint did not answer in time.').waitFor()
        await page.clock.runFor(5_100)
        await reached(() => reads() === 3)
      })

      it('waits as long as the endpoint asks to', async () => {
        pages.routes.token = { GET: failure(429, 'ERR_LIMIT', 'slow down', { 'retry-after': '60' }) }
        await open({ isStill: true })
        await page.getByText('Too many requests. Try again in 60 s.').waitFor()
        await page.clock.runFor(55_000)
        await arrived()
        assert.equal(reads(), 1)
        await page.clock.runFor(6_000)
        await reached(() => reads() === 2)
      })

      it('is the same in StrictMode, which mounts everything twice', async () => {
        await open({ isStill: true, isStrict: true })
        const before = reads()
        for (const times of [1, 2, 3]) {
          await page.clock.runFor(5_100)
          await reached(() => reads() >= before + times)
          await until(() => document.querySelector('[data-stale]') === null)
        }
        assert.equal(reads(), before + 3)
      })

      it('ends with the component, and takes what is under way with it', async () => {
        await open({ isStill: true })
        pages.routes.token = { GET: never }
        const aborted = page.waitForEvent('requestfailed')
        await page.clock.runFor(5_100)
        await reached(() => reads() === 2)
        await page.evaluate(() => globalThis.unmount())
        assert.match((await aborted).url(), /status$/)
        await page.clock.runFor(60_000)
        await arrived()
        assert.equal(reads(), 2)
        assert.deepEqual(page.troubles, [])
      })
    })

    it('counts down by the numbers of the server, however wrong the clock of the browser is', async () => {
      for (const hours of [-1, 1]) {
        await open({ isStill: true, clock: Date.now() + hours * 3_600_000, props: { refreshIntervalMs: 0 } })
        const left = async () => {
          const [minutes, seconds] = (await page.locator('.evertoken-left span').first().textContent()).split(':')
          return Number(minutes) * 60 + Number(seconds)
        }
        const before = await left()
        assert.ok(before > 2_300 && before <= 2_400, `${before} s`)
        await page.clock.fastForward(600_000)
        assert.ok(Math.abs(before - 600 - (await left())) <= 1)
        if (hours < 0) await page.context().close()
      }
    })

    describe('tabs', () => {
      const tab = (name) => page.getByRole('tab', { name, exact: true })

      it('are moved through by the arrow keys, Home and End, and name their panel', async () => {
        await open({ props: { services } })
        await tab('orders').focus()
        const moves = [
          ['ArrowRight', 'invoices'], ['End', 'reports'], ['ArrowRight', 'orders'], ['ArrowLeft', 'reports'], ['Home', 'orders'],
        ]
        for (const [key, name] of moves) {
          await page.keyboard.press(key)
          assert.equal(await page.evaluate(() => document.activeElement.textContent), name, key)
          assert.deepEqual(
            await page.getByRole('tab').evaluateAll((all) => all.map((each) => [each.ariaSelected, each.tabIndex])),
            services.map((each) => (each.name === name ? ['true', 0] : ['false', -1])),
          )
          const panel = page.getByRole('tabpanel', { name })
          assert.equal(await panel.getAttribute('id'), await tab(name).getAttribute('aria-controls'))
          await panel.locator('.evertoken-service', { hasText: name }).waitFor()
        }
        await assertAccessible(page, '.evertoken-services')
      })

      it('ask about the chosen service only', async () => {
        await open({ isStill: true, props: { services } })
        await page.clock.runFor(5_100)
        await reached(() => reads('orders') === 2)
        assert.equal(reads('invoices') + reads('reports'), 0)
        await tab('reports').click()
        await reached(() => reads('reports') === 1)
        const before = reads('orders')
        await page.clock.runFor(20_000)
        await reached(() => reads('reports') > 1)
        assert.deepEqual([reads('orders'), reads('invoices')], [before, 0])
      })
    })

    describe('Clear', () => {
      const question = () => page.getByRole('group', { name: /^Clear the token/ })
      const focused = () => page.evaluate(() => document.activeElement.textContent)
      const sent = () => pages.count({ method: 'DELETE' })

      it('asks first; Escape and Keep it change nothing, and give the focus back', async () => {
        await open()
        for (const leave of ['Escape', 'Enter']) {
          await button('Clear').focus()
          await page.keyboard.press('Enter')
          await question().waitFor()
          assert.equal(await focused(), 'Keep it')
          await page.keyboard.press(leave)
          await question().waitFor({ state: 'detached' })
          assert.equal(await focused(), 'Clear')
        }
        await arrived()
        assert.equal(sent(), 0)
      })

      it('is not confirmed by a double click', async () => {
        for (const width of [375, 1280]) {
          await open()
          await page.setViewportSize({ width, height: 900 })
          await button('Clear').dblclick()
          await arrived()
          assert.equal(sent(), 0)
          if (width < 1280) await page.context().close()
        }
      })

      it('is sent once, and said', async () => {
        pages.routes.token = { DELETE: { body: { cleared: true } } }
        await open()
        await button('Clear').click()
        await assertAccessible(page)
        await pressTwice('Clear it')
        await results().getByText(/^Cleared at/).waitFor()
        assert.equal(await focused(), 'Clear')
        assert.equal(sent(), 1)
      })
    })

    describe('Refresh now', () => {
      const sent = () => pages.count({ method: 'POST', path: 'refresh' })

      it('is sent once however often it is pressed, and says that it is under way and how it ended', async () => {
        let answer
        pages.routes.token = { POST: () => new Promise((resolve) => (answer = resolve)) }
        await open()
        await pressTwice('Refresh now')
        await button('Refresh now').dblclick({ force: true })
        await results().getByText('Refreshing…').waitFor()
        assert.equal(await page.locator('[aria-busy=true]').count(), 0, 'what is busy keeps its news to itself')
        await assertAccessible(page)
        answer({ body: liveStatus({ leftSeconds: 9_000 }) })
        await results().getByText(/^Refreshed at/).waitFor()
        assert.equal(sent(), 1)
      })

      it('shows what it got, though a look in between came first', async () => {
        let answer
        pages.routes.token = { POST: () => new Promise((resolve) => (answer = resolve)) }
        await open({ isStill: true })
        await button('Refresh now').click()
        await page.clock.runFor(5_100)
        await reached(() => reads() === 2)
        await until(() => document.querySelector('[data-stale]') === null)
        answer({ body: liveStatus({ leftSeconds: 9_000 }) })
        await results().getByText(/^Refreshed at/).waitFor()
        await page.locator('.evertoken-left', { hasText: /^2:(30:00|29:\d\d)/ }).waitFor()
      })

      for (const [why, answer, said] of [
        ['429', failure(429, 'ERR_TOKEN_RATE_LIMITED', 'patience', { 'retry-after': '17' }), /^Not refreshed: Too many requests\. Try again in 17 s\.$/],
        ['502', failure(502, 'ERR_TOKEN_CREDENTIALS', 'the server rejected the credential'), /^Not refreshed: The server rejected the credential\. Check the password/],
        ['401', failure(401, 'ERR_ROUTE_UNAUTHORIZED', 'the secret is missing'), /^Not refreshed: You are not signed in here\. The secret is missing\. Sign in/],
        ['403', failure(403, 'ERR_ROUTE_FORBIDDEN', 'not from there'), /^Not refreshed: You may not do this\. Not from there\. Your account/],
        ['a sign-in page', { body: '<!doctype html><form>Sign in</form>' }, /^Not refreshed: The endpoint answers with a web page.* sign in/],
        ['a redirect to one', { status: 302, headers: { location: '/page/0' } }, /^Not refreshed: The endpoint answers with a web page.* sign in/],
        ['broken JSON', { headers: { 'content-type': 'application/json' }, body: '{"state":' }, /^Not refreshed: The endpoint answers something else than a status\.$/],
        ['JSON of something else', { body: { state: 'valid', scheduler: {}, storage: {} } }, /^Not refreshed: The endpoint answers something else than a status\.$/],
      ]) {
        it(`says in plain words what ${why} means, and what to do`, async () => {
          pages.page({ react })
          pages.routes.token = { POST: answer }
          await open()
          await button('Refresh now').click()
          await results().getByText(/^Not refreshed/).waitFor()
          assert.match(await results().textContent(), said)
          assert.equal(await page.locator('.evertoken-badge').textContent(), 'Valid')
          await assertAccessible(page)
        })
      }
    })
  })
}
