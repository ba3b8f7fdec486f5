// What needs a browser, in Chromium: the monitor, and the example application end to end.
import { chromium } from '../support/chromium.mjs'
import { runTestFolders } from './node-tests.mjs'

export const browserTests = {
  name: 'browser',
  needs: ['build'],
  async run() {
    const { path, reason } = await chromium()
    if (path === undefined) return { skipped: reason }
    return runTestFolders(['browser'], { CHROMIUM_PATH: path, NEXT_TELEMETRY_DISABLED: '1' })
  },
}
