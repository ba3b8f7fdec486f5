// The example application, end to end, in Chromium.
import { chromium } from '../support/chromium.mjs'
import { isBrowserTest, runTestFiles } from './node-tests.mjs'

export const browserTests = {
  name: 'browser',
  needs: ['build'],
  async run() {
    const { path, reason } = await chromium()
    if (path === undefined) return { skipped: reason }
    return runTestFiles(isBrowserTest, { CHROMIUM_PATH: path, NEXT_TELEMETRY_DISABLED: '1' })
  }
}
