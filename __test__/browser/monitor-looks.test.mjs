// How the monitor looks in a browser: nothing on it moves by itself, and it stays readable in every theme, with forced
// colors, with large text and under a Content-Security-Policy.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { assertAccessible } from '../support/axe.mjs'
import { liveStatus, reacts } from '../support/monitor-page.mjs'
import { describeMonitor } from '../support/monitor-suite.mjs'

const services = ['orders', 'invoices'].map((name) => ({ name, endpoint: `/api/${name}` }))
const policy = { 'content-security-policy': "default-src 'self'; style-src 'self' 'nonce-abc'" }

describeMonitor('the looks of the monitor', (monitor) => {
  const { open } = monitor

  const style = (selector, property) =>
    monitor.page
      .locator(selector)
      .first()
      .evaluate((element, name) => getComputedStyle(element)[name], property)

  /** Resolves to what stands out of the page, which nothing should. */
  const tooWide = () =>
    monitor.page.evaluate(() => {
      const width = document.documentElement.clientWidth
      return [...document.querySelectorAll('.evertoken-monitor *')]
        .filter(
          (each) => each.getBoundingClientRect().width > 1 && each.getBoundingClientRect().right > width,
        )
        .map((each) => each.className)
    })

  // Moments of another day are longer, and there are some whenever midnight is near.
  const lives = { 'of hours': {}, 'of days': { ageSeconds: 100_000, leftSeconds: 100_000 } }
  const looks = [320, 360, 375, 768, 1280].flatMap((width) =>
    Object.keys(lives).map((life) => ({ width, life })),
  )
  for (const { width, life } of looks) {
    it(`has nothing move by itself, ${width} px wide, with a token ${life}`, async () => {
      const answer = () => ({ body: liveStatus({ service: 'token', ...lives[life] }) })
      let arrive
      monitor.pages.routes.token = { GET: () => new Promise((resolve) => (arrive = resolve)) }
      await open({
        browsing: { viewport: { width, height: 2_000 } },
        // A slow browser draws a page that it has read by half, and the icon of the badge without its word.
        head: '<link rel="expect" href="#given" blocking="render">',
        isAnswered: false,
        isRendered: true,
        props: { refreshIntervalMs: 500 },
      })
      const { page } = monitor
      await page.evaluate(() => {
        globalThis.shifts = []
        const seen = (list) =>
          globalThis.shifts.push(
            ...list.map(
              ({ value, sources }) =>
                `${value} ${sources.map(({ node }) => node?.getAttribute?.('class') ?? node?.nodeName)}`,
            ),
          )
        globalThis.observer = new PerformanceObserver((list) => seen(list.getEntries()))
        globalThis.observer.observe({ type: 'layout-shift', buffered: true })
        globalThis.takeShifts = () => {
          seen(globalThis.observer.takeRecords())
          return globalThis.shifts
        }
      })
      const height = () => page.locator('.evertoken-monitor').evaluate((card) => card.offsetHeight)
      // Two frames: what has moved is reported with the second.
      const drawn = () =>
        page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
      const loading = await height()
      const heights = { loading }
      const take = async (name) => {
        await drawn()
        heights[name] = await height()
      }

      await page.waitForFunction(() => document.querySelector('.evertoken-waiting') !== null)
      while (arrive === undefined) await drawn()
      monitor.pages.routes.token = { GET: answer, POST: answer }
      arrive(answer())
      await page.locator('.evertoken-left').waitFor()
      await take('loaded')
      await page.getByRole('button', { name: 'Refresh now' }).click()
      await page.getByText(/^Refreshed at/).waitFor()
      await take('refreshed')
      await page.getByRole('button', { name: 'Clear' }).click()
      await take('asking')
      await page.keyboard.press('Escape')
      await page.route('**/status', (route) => route.abort())
      await page.getByText('The endpoint is unreachable.').waitFor()
      await take('gone')
      await page.unroute('**/status')
      await page.locator('.evertoken-notice').waitFor({ state: 'detached' })
      await take('back')

      for (const [name, value] of Object.entries(heights)) assert.equal(value, loading, name)
      assert.deepEqual(await page.evaluate(() => globalThis.takeShifts()), [])
    })
  }

  it('is light or dark like the system, unless `theme` is set', async () => {
    const [light, dark] = ['rgb(255, 255, 255)', 'rgb(22, 24, 29)']
    const cases = [
      ['light', 'auto', light],
      ['dark', 'auto', dark],
      ['light', 'dark', dark],
      ['dark', 'light', light],
    ]
    for (const [colorScheme, theme, surface] of cases) {
      await open({ browsing: { colorScheme }, props: { theme, services } })
      assert.equal(
        await style('.evertoken-monitor', 'backgroundColor'),
        surface,
        `${theme} on ${colorScheme}`,
      )
      assert.equal(await style('.evertoken-tabs', 'backgroundColor'), surface, `${theme} on ${colorScheme}`)
      await assertAccessible(monitor.page, '.evertoken-services')
    }
  })

  it('takes its colors, corners and font from the variables of the page', async () => {
    const head =
      '<style>:root { --evertoken-surface: #fafad2; --evertoken-radius: 3px; --evertoken-font: serif; --evertoken-accent: #800000 }</style>'
    await open({ head, props: { services } })
    assert.equal(await style('.evertoken-monitor', 'backgroundColor'), 'rgb(250, 250, 210)')
    assert.equal(await style('.evertoken-monitor', 'borderRadius'), '3px')
    assert.equal(await style('.evertoken-tab', 'fontFamily'), 'serif')
    assert.equal(await style('.evertoken-button', 'backgroundColor'), 'rgb(128, 0, 0)')
  })

  it('distinguishes its states with forced colors', async () => {
    await open({ browsing: { forcedColors: 'active' }, props: { services } })
    const differ = async (one, other, property) =>
      assert.notEqual(await style(one, property), await style(other, property), `${one} and ${other}`)
    await differ('[aria-selected=true]', '[aria-selected=false]', 'color')
    await differ('.evertoken-elapsed', '.evertoken-track', 'fill')
    for (const outcome of ['adopted', 'failed'])
      await differ('rect[data-outcome=refreshed]', `rect[data-outcome=${outcome}]`, 'fill')
    assert.equal(await monitor.page.locator('.evertoken-badge').textContent(), 'Valid')
    monitor.pages.routes.orders = { POST: () => new Promise(() => {}) }
    await monitor.page.getByRole('button', { name: 'Refresh now' }).click()
    await monitor.page.locator('[aria-disabled=true]').first().waitFor()
    await differ('[aria-disabled=true]', '.evertoken-badge', 'color')
  })

  it('has no animation, with or without reduced motion', async () => {
    for (const reducedMotion of ['reduce', 'no-preference']) {
      await open({ browsing: { reducedMotion }, props: { services } })
      await monitor.page.getByRole('button', { name: 'Refresh now' }).hover()
      assert.equal(await monitor.page.evaluate(() => document.getAnimations().length), 0)
      await monitor.page.getByRole('tab', { name: 'invoices' }).click()
      assert.equal(await monitor.page.evaluate(() => document.getAnimations().length), 0)
    }
  })

  it('fits a page of 320 px with text twice as large', async () => {
    await open({
      browsing: { viewport: { width: 320, height: 800 } },
      head: '<style>html { font-size: 200% }</style>',
      props: { services },
    })
    assert.deepEqual(await tooWide(), [])
    monitor.pages.routes.orders = {
      POST: {
        status: 502,
        body: {
          error: {
            code: 'ERR_TOKEN_NETWORK',
            message: 'https://login.example.com/oauth/token cannot be reached',
          },
        },
      },
    }
    await monitor.page.getByRole('button', { name: 'Refresh now' }).click()
    await monitor.page.getByText(/^Not refreshed/).waitFor()
    assert.deepEqual(await tooWide(), [])
    await monitor.page.getByRole('button', { name: 'Clear' }).click()
    assert.deepEqual(await tooWide(), [])
    await assertAccessible(monitor.page)
  })

  for (const react of reacts) {
    it(`keeps to a Content-Security-Policy with a nonce, in React ${react}`, async () => {
      for (const isRendered of [true, false]) {
        await open({ react, isRendered, headers: policy, props: { services, nonce: 'abc' } })
        assert.equal(await style('.evertoken-monitor', 'paddingTop'), '24px')
        assert.deepEqual(monitor.page.troubles, [])
      }
    })
  }

  it('is unstyled but complete if its styles are blocked', async () => {
    await open({ headers: policy })
    assert.equal(await style('.evertoken-monitor', 'paddingTop'), '0px')
    const text = (await monitor.page.locator('.evertoken-monitor').innerText()).replaceAll(/\s+/g, ' ')
    assert.match(
      text,
      /^Access token token Valid (40:00|39:\d\d) \d+ minutes.* left Token: Valid\. The token is valid\. Issued/,
    )
    assert.equal(await style('.evertoken-track', 'fill'), 'none', 'the life is not all black')
  })
})
