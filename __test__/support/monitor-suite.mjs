// What the tests of the monitor in a browser have in common: a browser, the pages, and what is done on one.

import { after, afterEach, before, describe } from 'node:test'
import { noBrowser, openPage, startBrowser } from './browser.mjs'
import { startMonitorPages } from './monitor-page.mjs'

/**
 * Describes the monitor: `define` is given a context whose `page` is the one that `open` opened last. Each test begins
 * without a page, and with routes that answer well.
 */
export function describeMonitor(title, define) {
  describe(title, { skip: noBrowser }, () => {
    let browser
    const context = {
      page: undefined,
      pages: undefined,

      /**
       * Opens a page and, unless it is not `isAnswered`, waits for what the endpoint says; its clock only moves by
       * `page.clock` when `isStill`. `browsing` is for the browser, the rest for the page.
       */
      async open({ isStill = false, clock = Date.now(), isAnswered = true, browsing, ...options } = {}) {
        await context.page?.context().close()
        context.page = await openPage(browser, browsing)
        if (isStill) {
          await context.page.clock.install({ time: clock })
          await context.page.clock.pauseAt(clock + 1_000)
        }
        await context.page.goto(context.pages.page(options))
        if (isAnswered) await context.page.locator('.evertoken-badge', { hasNotText: 'Loading' }).waitFor()
      },

      button: (name) => context.page.getByRole('button', { name, exact: true }),

      /** How often the status of a service was asked for. */
      reads: (service = 'token') => context.pages.count({ service, method: 'GET', path: 'status' }),

      /** Resolves when what the page has sent so far has come. */
      arrived: () => context.page.evaluate(async () => void (await fetch('/api/marker/status')).text()),

      /** Resolves when the status was asked for so often; `meanwhile` is done again and again. */
      async reached(times, service, meanwhile = () => {}) {
        const deadline = AbortSignal.timeout(15_000)
        while (context.reads(service) < times) {
          deadline.throwIfAborted()
          await meanwhile()
          await context.arrived()
        }
      },
    }

    before(async () => {
      ;[browser, context.pages] = await Promise.all([startBrowser(), startMonitorPages()])
    })
    after(async () => {
      await browser?.close()
      await context.pages?.close()
    })
    afterEach(async () => {
      await context.page?.context().close()
      context.page = undefined
      context.pages.reset()
    })

    define(context)
  })
}
