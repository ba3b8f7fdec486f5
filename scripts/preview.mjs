// `npm run preview`: dist/preview.html, every state of the monitor side by side, by day and by night; with Chromium also
// the pictures of it that the README shows.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureLib } from './support/build.mjs'
import { chromium } from './support/chromium.mjs'
import { root } from './support/root.mjs'
import { previewPage } from './preview/page.mjs'

await ensureLib()
const page = join(root, 'dist', 'preview.html')
await mkdir(join(root, 'dist'), { recursive: true })
await writeFile(page, await previewPage())
console.log('dist/preview.html')

const { path, reason } = await chromium()
if (path === undefined) console.log(`no pictures: ${reason}`)
else await takePictures(path)

async function takePictures(executablePath) {
  const { chromium: engine } = await import('playwright-core')
  const browser = await engine.launch({ executablePath, args: ['--no-sandbox'] })
  await mkdir(join(root, 'docs', 'images'), { recursive: true })
  for (const theme of ['light', 'dark']) {
    const view = await browser.newPage({ viewport: { width: 1280, height: 900 }, deviceScaleFactor: 2 })
    await view.goto(pathToFileURL(page).href)
    const file = join('docs', 'images', `monitor-${theme}.png`)
    await view
      .locator(`.${theme} .evertoken-monitor`)
      .first()
      .screenshot({ path: join(root, file) })
    console.log(file)
  }
  await browser.close()
}
