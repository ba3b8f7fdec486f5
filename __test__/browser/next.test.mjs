// The example application with the packed package, in Next.js and in Chromium: built with both bundlers, its standalone
// output started in another folder, and in development with hot reload.

import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { buildAgain, installExample, startExample, startServer } from '../../scripts/demo/example.mjs'
import { freePort } from '../../scripts/demo/listen.mjs'
import { assertAccessible, keepPictures } from '../support/axe.mjs'
import { noBrowser, openPage, startBrowser } from '../support/browser.mjs'
import { adminSecret, environmentFor } from '../support/installed-example.mjs'
import { startMockTokenServer } from 'evertoken/testing'

describe('the example in Next.js', { skip: noBrowser }, () => {
  let folder
  let browser

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evertoken-e2e-'))
    await installExample(folder, { quiet: true })
    browser = await startBrowser()
  })
  after(async () => {
    await browser?.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  for (const bundler of ['turbopack', 'webpack']) {
    describe(`built with ${bundler}, its standalone output in another folder`, () => {
      let tokens
      let app

      before(async () => {
        await buildAgain(folder, { quiet: true, bundler, server: bundler })
        tokens = await startMockTokenServer({ expiresInSeconds: 600 })
        app = await startExample(folder, environmentFor(tokens), { server: bundler, quiet: true })
      })
      after(async () => {
        await app?.stop()
        await tokens?.close()
      })

      it('gets the orders from the protected API, with one token for all requests', async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${app.origin}/api/orders`)))
        for (const answer of answers) assert.equal(answer.status, 200)
        assert.equal(tokens.tokenRequests.length, 1)
      })

      it('closes the routes and the dashboard to strangers', async () => {
        assert.equal((await fetch(`${app.origin}/api/token/status`)).status, 403)
        const { status, headers } = await fetch(`${app.origin}/dashboard`, { redirect: 'manual' })
        assert.equal(status, 307)
        assert.equal(headers.get('location'), '/sign-in')
        const bearer = { authorization: `Bearer ${adminSecret}` }
        assert.equal((await fetch(`${app.origin}/api/token/metrics`, { headers: bearer })).status, 200)
        const elsewhere = { ...bearer, 'sec-fetch-site': 'cross-site' }
        assert.equal(
          (await fetch(`${app.origin}/api/token`, { method: 'DELETE', headers: elsewhere })).status,
          403,
        )
      })

      it('shows a live status that counts down, refreshes and clears', async () => {
        const page = await signedIn(browser, app)
        const monitor = page.getByRole('region', { name: /^Access token/ })
        await monitor.locator('.evertoken-badge', { hasText: 'Valid' }).waitFor()
        const first = await secondsLeft(page)
        assert.ok(first > 500 && first <= 600, `${first} s left`)
        await page.waitForFunction((before) => {
          const [minutes, seconds] = document.querySelector('.evertoken-left span').textContent.split(':')
          return Number(minutes) * 60 + Number(seconds) < before - 1
        }, first)

        await assertAccessible(page)
        await keepPictures(page, `dashboard-${bundler}`)

        const requests = tokens.tokenRequests.length
        await monitor.getByRole('button', { name: 'Refresh now' }).click()
        await monitor.getByText(/^Refreshed at/).waitFor()
        assert.equal(tokens.tokenRequests.length, requests + 1)

        await monitor.getByRole('button', { name: 'Clear' }).click()
        await monitor.getByRole('button', { name: 'Clear it' }).click()
        await monitor.getByText(/^Cleared at/).waitFor()
        await monitor.locator('.evertoken-badge', { hasText: 'Missing' }).waitFor()
        assert.deepEqual(page.troubles, [])
        await page.context().close()
      })

      it('keeps the last status, with a notice, if the server is unreachable', async () => {
        const page = await signedIn(browser, app)
        await page.getByRole('button', { name: 'Refresh now' }).click()
        await page.locator('.evertoken-badge', { hasText: 'Valid' }).waitFor()
        await app.stop()
        await page.getByText('The endpoint is unreachable.').waitFor()
        assert.equal(await page.locator('.evertoken-badge').textContent(), 'Valid')
        assert.ok((await secondsLeft(page)) > 0)
        app = await app.again()
        await page.getByText('The endpoint is unreachable.').waitFor({ state: 'detached' })
        await page.locator('.evertoken-badge', { hasText: 'Valid' }).waitFor()
        await page.context().close()
      })
    })
  }

  describe('in development', () => {
    let tokens
    let app

    before(async () => {
      tokens = await startMockTokenServer({ expiresInSeconds: 600 })
      const port = await freePort()
      const cwd = join(folder, 'app')
      app = await startServer([join(cwd, 'node_modules/next/dist/bin/next'), 'dev', '--port', String(port)], {
        cwd,
        origin: `http://localhost:${port}`,
        // A secret that is set would be needed in development, too.
        environment: { ...environmentFor(tokens), EVERTOKEN_ADMIN_SECRET: '' },
        quiet: true,
      })
    })
    after(async () => {
      await app?.stop()
      await tokens?.close()
    })

    it('keeps the one service if a file that initializes it is edited', async () => {
      const orders = `${app.origin}/api/orders`
      assert.equal((await fetch(orders)).status, 200)
      const route = join(folder, 'app/app/api/orders/route.ts')
      const original = await readFile(route, 'utf8')
      for (const mark of ['one', 'two', 'three']) {
        // The module initializes the service at each reload, as many applications do in their first line.
        await writeFile(
          route,
          `import { initializeTokenService, startTokenScheduler } from 'evertoken'
          initializeTokenService()
          startTokenScheduler()
          ${original.replace('await fetchOrders())', `await fetchOrders(), { headers: { 'x-mark': '${mark}' } })`)}`,
        )
        await until(async () => (await fetch(orders)).headers.get('x-mark') === mark)
      }
      await appendFile(join(folder, 'app/instrumentation.ts'), '\n// Edited.\n')
      await appendFile(join(folder, 'app/lib/orders.ts'), '\n// Edited.\n')
      await until(async () => (await fetch(orders)).ok)

      const status = await (await fetch(`${app.origin}/api/token/status`)).json()
      assert.equal(status.state, 'valid')
      assert.equal(status.counters.refreshes, 1)
      assert.equal(tokens.tokenRequests.length, 1)
    })

    it('shows the status to everyone', async () => {
      const page = await openPage(browser)
      await page.goto(`${app.origin}/dashboard`)
      await page.locator('.evertoken-badge', { hasText: 'Valid' }).waitFor()
      assert.deepEqual(
        page.troubles.filter((text) => /hydrat|did not match/i.test(text)),
        [],
      )
      await page.context().close()
    })
  })
})

/** Opens the dashboard by the link that signs in. */
async function signedIn(browser, app) {
  const page = await openPage(browser)
  await page.goto(`${app.origin}/sign-in#${adminSecret}`)
  await page.waitForURL(`${app.origin}/dashboard`)
  await page.locator('.evertoken-left').waitFor()
  return page
}

async function secondsLeft(page) {
  const [minutes, seconds] = (await page.locator('.evertoken-left span').first().textContent()).split(':')
  return Number(minutes) * 60 + Number(seconds)
}

async function until(condition) {
  const deadline = AbortSignal.timeout(30_000)
  while (!(await condition())) {
    deadline.throwIfAborted()
    await pause(100)
  }
}
