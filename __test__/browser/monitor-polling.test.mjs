// When the monitor asks, in each React it supports: while it is seen, never twice at a time, and as the endpoint wants
// it; and what it makes of the clocks.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { liveStatus, never, reacts } from '../support/monitor-page.mjs'
import { describeMonitor } from '../support/monitor-suite.mjs'

const limited = {
  status: 429,
  headers: { 'retry-after': '60' },
  body: { error: { code: 'ERR_LIMIT', message: 'slow down' } },
}

for (const react of reacts) {
  describeMonitor(`the polling of the monitor in React ${react}`, (monitor) => {
    const { reads, arrived, reached } = monitor
    const open = (options) => monitor.open({ react, isStill: true, ...options })

    /** Lets time pass until the status was asked for so often. */
    const polled = (times) => reached(times, 'token', () => monitor.page.clock.runFor(1_000))

    const show = (state) =>
      monitor.page.evaluate((value) => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => value })
        document.dispatchEvent(new Event('visibilitychange'))
      }, state)

    it('pauses while the page is hidden, and continues at once when it is visible', async () => {
      await open()
      await polled(2)
      await show('hidden')
      await monitor.page.clock.runFor(60_000)
      await arrived()
      assert.equal(reads(), 2)
      await show('visible')
      await reached(3)
    })

    it('pauses after a response that arrives while the page is hidden', async () => {
      let arrive
      await open()
      const asked = new Promise((isAsked) => {
        const GET = () =>
          new Promise((resolve) => {
            arrive = resolve
            isAsked()
          })
        monitor.pages.routes.token = { GET }
      })
      const before = reads()
      await polled(before + 1)
      // The request is counted before its route is called.
      await asked
      await show('hidden')
      arrive({ body: liveStatus({ leftSeconds: 9_000 }) })
      await monitor.page.locator('.evertoken-left', { hasText: /^2:/ }).waitFor()
      await monitor.page.clock.runFor(60_000)
      await arrived()
      assert.equal(reads(), before + 1)
    })

    it('never sends a request before the last has ended, and sends one after a timeout', async () => {
      await open()
      monitor.pages.routes.token = { GET: never }
      await polled(2)
      await show('hidden')
      await show('visible')
      await monitor.page.clock.runFor(8_000)
      await arrived()
      assert.equal(reads(), 2)
      monitor.pages.routes.token = {}
      await monitor.page.clock.runFor(2_000)
      await monitor.page.getByText('The endpoint did not respond in time.').waitFor()
      await polled(3)
    })

    it('waits as long as the endpoint requires', async () => {
      monitor.pages.routes.token = { GET: limited }
      await open()
      await monitor.page.getByText('Too many requests. Try again in 60 s.').waitFor()
      await monitor.page.clock.runFor(55_000)
      await arrived()
      assert.equal(reads(), 1)
      await polled(2)
    })

    it('is the same in StrictMode, which mounts everything twice', async () => {
      await open({ isStrict: true })
      const before = reads()
      for (const times of [1, 2, 3]) {
        await polled(before + times)
        assert.equal(reads(), before + times)
      }
    })

    it('stops with the component, and aborts its requests', async () => {
      await open()
      monitor.pages.routes.token = { GET: never }
      const aborted = monitor.page.waitForEvent('requestfailed')
      await polled(2)
      await monitor.page.evaluate(() => globalThis.unmount())
      assert.match((await aborted).url(), /status$/)
      await monitor.page.clock.runFor(60_000)
      await arrived()
      assert.equal(reads(), 2)
      assert.deepEqual(monitor.page.troubles, [])
    })

    it("counts down by the server's times, even if the browser's clock is wrong", async () => {
      for (const hours of [-1, 1]) {
        await open({ clock: Date.now() + hours * 3_600_000, props: { refreshIntervalMs: 0 } })
        const left = async () => {
          const [minutes, seconds] = (
            await monitor.page.locator('.evertoken-left span').first().textContent()
          ).split(':')
          return Number(minutes) * 60 + Number(seconds)
        }
        const before = await left()
        assert.ok(before > 2_300 && before <= 2_400, `${before} s`)
        await monitor.page.clock.fastForward(600_000)
        assert.ok(Math.abs(before - 600 - (await left())) <= 1)
      }
    })
  })
}
