// The preview, which shows every state of the monitor: it fits everywhere, and axe finds nothing.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { previewPage } from '../../scripts/preview/page.mjs'
import { assertAccessible } from '../support/axe.mjs'
import { noBrowser, openPage, startBrowser } from '../support/browser.mjs'

describe('the preview of the monitor', () => {
  describe('in a browser', { skip: noBrowser }, () => {
    let browser
    let page
    let folder
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'evertoken-preview-'))
      const file = join(folder, 'preview.html')
      await writeFile(file, await previewPage())
      browser = await startBrowser()
      page = await openPage(browser)
      await page.goto(pathToFileURL(file).href)
    })
    after(async () => {
      await browser?.close()
      await rm(folder, { recursive: true, force: true })
    })

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
