// docs/preview.html, which shows every state of the monitor: it is of these sources, fits everywhere, and axe finds nothing.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { previewPage } from '../../scripts/preview/page.mjs'
import { assertAccessible } from '../support/axe.mjs'
import { noBrowser, openPage, startBrowser } from '../support/browser.mjs'

const file = new URL('../../docs/preview.html', import.meta.url)

describe('the preview of the monitor', () => {
  it('is what the sources make (npm run preview)', async (t) => {
    const { locale } = Intl.DateTimeFormat().resolvedOptions()
    if (locale !== 'en-US') return t.skip(`times would be written as in ${locale}`)
    assert.equal(await readFile(fileURLToPath(file), 'utf8'), await previewPage())
  })

  describe('in a browser', { skip: noBrowser }, () => {
    let browser
    let page
    before(async () => {
      browser = await startBrowser()
      page = await openPage(browser)
      await page.goto(file.href)
    })
    after(() => browser?.close())

    it('passes axe in every state, by day and by night', () => assertAccessible(page, 'main'))

    for (const width of [320, 375, 768, 1280, 3840]) {
      it(`fits ${width} px`, async () => {
        await page.setViewportSize({ width, height: 900 })
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= width, `${wide} px`)
        const cut = await page.locator('.evertoken-monitor *').evaluateAll(
          (elements) =>
            elements.filter((each) => {
              const card = each.closest('.evertoken-monitor').getBoundingClientRect()
              const { right, width: own } = each.getBoundingClientRect()
              return own > 1 && right > card.right + 1
            }).length,
        )
        assert.equal(cut, 0, 'nothing stands out of its card')
      })
    }
  })
})
