// How the monitor looks in a browser: nothing on it moves by itself, and it stays readable in every theme, with forced
// colours, with large text and under a Content-Security-Policy.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { assertAccessible } from './support/axe.mjs'
import { noBrowser, openPage, startBrowser } from './support/browser.mjs'
import { reacts, startMonitorPages } from './support/monitor-page.mjs'

const services = ['orders', 'invoices'].map((name) => ({ name, endpoint: `/api/${name}` }))
const policy = { 'content-security-policy': "default-src 'self'; style-src 'self' 'nonce-abc'" }

describe('the looks of the monitor', { skip: noBrowser }, () => {
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

  async function open({ browsing, ...options } = {}) {
    page = await openPage(browser, browsing)
    await page.goto(pages.page(options))
    await page.locator('.evertoken-badge', { hasNotText: 'Loading' }).waitFor()
  }

  const style = (selector, property) =>
    page.locator(selector).first().evaluate((element, name) => getComputedStyle(element)[name], property)

  /** Resolves to what stands out of the page, which nothing should. */
  const tooWide = () =>
    page.evaluate(() => {
      const width = document.documentElement.clientWidth
      return [...document.querySelectorAll('.evertoken-monitor *')]
        .filter((each) => each.getBoundingClientRect().width > 1 && each.getBoundingClientRect().right > width)
        .map((each) => each.className)
    })

  for (const width of [320, 360, 375, 768, 1280]) {
    it(`has nothing move by itself, ${width} px wide`, async () => {
      let arrive
      pages.routes.token = { GET: () => new Promise((resolve) => (arrive = resolve)) }
      page = await openPage(browser, { viewport: { width, height: 2_000 } })
      await page.goto(pages.page({ isRendered: true, props: { refreshIntervalMs: 500 } }))
      await page.evaluate(() => {
        globalThis.shifts = []
        const seen = (list) =>
          globalThis.shifts.push(...list.map(({ value, sources }) => `${value} ${sources.map(({ node }) => node?.className ?? node?.id)}`))
        globalThis.observer = new PerformanceObserver((list) => seen(list.getEntries()))
        globalThis.observer.observe({ type: 'layout-shift', buffered: true })
        globalThis.takeShifts = () => (seen(globalThis.observer.takeRecords()), globalThis.shifts)
      })
      const height = () => page.locator('.evertoken-monitor').evaluate((card) => card.offsetHeight)
      // Two frames: what has moved is reported with the second.
      const drawn = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
      const loading = await height()
      const heights = { loading }
      const take = async (name) => {
        await drawn()
        heights[name] = await height()
      }

      await page.waitForFunction(() => document.querySelector('.evertoken-waiting') !== null)
      while (arrive === undefined) await drawn()
      pages.routes.token = {}
      arrive({})
      await page.locator('.evertoken-left').waitFor()
      await take('loaded')
      await page.getByRole('button', { name: 'Refresh now' }).click()
      await page.getByText(/^Refreshed at/).waitFor()
      await take('refreshed')
      await page.getByRole('button', { name: 'Clear' }).click()
      await take('asking')
      await page.keyboard.press('Escape')
      await page.route('**/status', (route) => route.abort())
      await page.getByText('The endpoint cannot be reached.').waitFor()
      await take('gone')
      await page.unroute('**/status')
      await page.locator('.evertoken-notice').waitFor({ state: 'detached' })
      await take('back')

      for (const [name, value] of Object.entries(heights)) assert.equal(value, loading, name)
      assert.deepEqual(await page.evaluate(() => globalThis.takeShifts()), [])
    })
  }

  it('is light or dark as the system is, unless it is told', async () => {
    const [light, dark] = ['rgb(255, 255, 255)', 'rgb(22, 24, 29)']
    const cases = [['light', 'auto', light], ['dark', 'auto', dark], ['light', 'dark', dark], ['dark', 'light', light]]
    for (const [colorScheme, theme, surface] of cases) {
      await open({ browsing: { colorScheme }, props: { theme, services } })
      assert.equal(await style('.evertoken-monitor', 'backgroundColor'), surface, `${theme} on ${colorScheme}`)
      assert.equal(await style('.evertoken-tabs', 'backgroundColor'), surface, `${theme} on ${colorScheme}`)
      await assertAccessible(page, '.evertoken-services')
      if (theme !== 'light') await page.context().close()
    }
  })

  it('takes its colours, corners and font from the variables of the page', async () => {
    const head = '<style>:root { --evertoken-surface: #fafad2; --evertoken-radius: 3px; --evertoken-font: serif; --evertoken-accent: #800000 }</style>'
    await open({ head, props: { services } })
    assert.equal(await style('.evertoken-monitor', 'backgroundColor'), 'rgb(250, 250, 210)')
    assert.equal(await style('.evertoken-monitor', 'borderRadius'), '3px')
    assert.equal(await style('.evertoken-tab', 'fontFamily'), 'serif')
    assert.equal(await style('.evertoken-button', 'backgroundColor'), 'rgb(128, 0, 0)')
  })

  it('tells its states apart with forced colours', async () => {
    await open({ browsing: { forcedColors: 'active' }, props: { services } })
    const differ = async (one, other, property) =>
      assert.notEqual(await style(one, property), await style(other, property), `${one} and ${other}`)
    await differ('[aria-selected=true]', '[aria-selected=false]', 'backgroundColor')
    await differ('.evertoken-elapsed', '.evertoken-track', 'fill')
    for (const outcome of ['adopted', 'failed']) await differ('rect[data-outcome=refreshed]', `rect[data-outcome=${outcome}]`, 'fill')
    assert.equal(await page.locator('.evertoken-badge').textContent(), 'Valid')
    pages.routes.orders = { POST: () => new Promise(() => {}) }
    await page.getByRole('button', { name: 'Refresh now' }).click()
    await page.locator('[aria-disabled=true]').first().waitFor()
    await differ('[aria-disabled=true]', '.evertoken-badge', 'color')
  })

  it('has nothing that moves for those who want less motion, nor for others', async () => {
    for (const reducedMotion of ['reduce', 'no-preference']) {
      await open({ browsing: { reducedMotion }, props: { services } })
      await page.getByRole('button', { name: 'Refresh now' }).hover()
      await page.getByRole('tab', { name: 'invoices' }).click()
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0)
      if (reducedMotion === 'reduce') await page.context().close()
    }
  })

  it('holds with text twice as large on a page of 320 px', async () => {
    await open({ browsing: { viewport: { width: 320, height: 800 } }, head: '<style>html { font-size: 200% }</style>', props: { services } })
    assert.deepEqual(await tooWide(), [])
    pages.routes.orders = { POST: { status: 502, body: { error: { code: 'ERR_TOKEN_NETWORK', message: 'https://login.example.com/oauth/token cannot be reached' } } } }
    await page.getByRole('button', { name: 'Refresh now' }).click()
    await page.getByText(/^Not refreshed/).waitFor()
    assert.deepEqual(await tooWide(), [])
    await page.getByRole('button', { name: 'Clear' }).click()
    assert.deepEqual(await tooWide(), [])
    await assertAccessible(page)
  })

  for (const react of reacts) {
    it(`keeps to a Content-Security-Policy with a nonce, in React ${react}`, async () => {
      for (const isRendered of [true, false]) {
        await open({ react, isRendered, headers: policy, props: { services, nonce: 'abc' } })
        assert.equal(await style('.evertoken-monitor', 'paddingTop'), '24px')
        assert.deepEqual(page.troubles, [])
        if (isRendered) await page.context().close()
      }
    })
  }

  it('is plain, and whole, where its styles are not let in', async () => {
    await open({ headers: policy })
    assert.equal(await style('.evertoken-monitor', 'paddingTop'), '0px')
    const text = (await page.locator('.evertoken-monitor').innerText()).replaceAll(/\s+/g, ' ')
    assert.match(text, /^Access token token Valid (40:00|39:\d\d) \d+ minutes.* left Token: Valid\. The token is good\. Issued/)
    assert.equal(await style('.evertoken-track', 'fill'), 'none', 'the life is not all black')
  })
})
