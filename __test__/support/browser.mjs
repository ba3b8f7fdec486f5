// Chromium, driven by playwright-core, for the tests that need a real browser.

import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

/** Where Chromium is; the test script finds or installs it and says so. */
const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** The `skip` option of node:test: a reason if there is no browser, else false. */
export const noBrowser = existsSync(executablePath)
  ? false
  : `there is no Chromium at ${executablePath} (CHROMIUM_PATH)`

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium. */
export const startBrowser = () => chromium.launch({ executablePath, args })

/** Opens a page that remembers what went wrong in it, in `troubles`, and gives up after 15 s. */
export async function openPage(browser, options) {
  const context = await browser.newContext({ locale: 'en-GB', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  page.troubles = []
  page.on('pageerror', (error) => page.troubles.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') page.troubles.push(message.text())
  })
  return page
}
