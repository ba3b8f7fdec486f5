// What axe finds on a page, by the rules of WCAG 2.2 up to AA.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const artifacts = fileURLToPath(new URL('../../test-artifacts/', import.meta.url))

/** Fails with what axe finds in `selector`, by day and by night. */
export async function assertAccessible(page, selector = '.evertoken-monitor') {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await page.addScriptTag({ path: axe })
    const violations = await page.evaluate(
      async ([where, values]) => {
        const { violations: found } = await globalThis.axe.run(
          { include: [where] },
          { runOnly: { type: 'tag', values } },
        )
        return found.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`,
        )
      },
      [selector, tags],
    )
    assert.deepEqual(violations, [], colorScheme)
  }
}

/** Keeps a picture of the page, as narrow as a phone and as wide as a desk. */
export async function keepPictures(page, name) {
  await mkdir(artifacts, { recursive: true })
  const size = page.viewportSize()
  for (const width of [375, 1280]) {
    await page.setViewportSize({ width, height: 900 })
    await page.screenshot({ path: `${artifacts}${name}-${width}.png`, fullPage: true })
  }
  await page.setViewportSize(size)
}
