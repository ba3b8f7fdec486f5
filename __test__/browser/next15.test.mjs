// The versions before the newest: Next.js 15 with the App Router, and with the Pages Router on React 18.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startMockTokenServer } from 'evertoken/testing'
import { installExample, startServer } from '../../scripts/demo/example.mjs'
import { freePort } from '../../scripts/demo/listen.mjs'
import { mustRun } from '../../scripts/support/run.mjs'
import { noBrowser, openPage, startBrowser } from '../support/browser.mjs'
import { adminSecret, environmentFor, replaceSources } from '../support/installed-example.mjs'

const pagesRouter = {
  'public/favicon.ico': '',
  'next.config.mjs': `import { withEvertoken } from 'evertoken/next'\nexport default withEvertoken({})\n`,
  'app/api/token/[[...action]]/route.js': `import { createTokenRoutes } from 'evertoken/next'
export const { GET, POST, DELETE } = createTokenRoutes({ authorize: () => true })\n`,
  'pages/api/orders.js': `import { getTokenService, initializeTokenService } from 'evertoken'
export default async function handler(request, response) {
  const service = getTokenService() ?? initializeTokenService()
  const answer = await service.fetch(process.env.ORDERS_API_URL)
  response.status(answer.status).json(await answer.json())
}\n`,
  'pages/dashboard.js': `import { version } from 'react'
import { TokenMonitor } from 'evertoken/react'
export default function Dashboard() {
  return <main data-react={version}><TokenMonitor /></main>
}\n`,
}

const houses = {
  'Next.js 15 and React 19, App Router': {
    // It checks types by the compiler's own API, which the newest no longer has.
    versions: { next: '^15', typescript: '^5.9.0' },
  },
  'Next.js 15 and React 18, Pages Router': {
    versions: { next: '^15', react: '^18', 'react-dom': '^18' },
    files: pagesRouter,
  },
}

for (const [what, { versions, files }] of Object.entries(houses)) {
  describe(`the packed package in ${what}`, { skip: noBrowser }, () => {
    let folder
    let tokens
    let server
    let browser
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'evertoken-next15-'))
      await installExample(folder, { quiet: true, versions })
      const app = join(folder, 'app')
      if (files) await replaceSources(app, files)
      const next = join(app, 'node_modules', 'next', 'dist', 'bin', 'next')
      const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
      await mustRun(process.execPath, [next, 'build'], { cwd: app, env, quiet: true, limitMs: 5 * 60_000 })
      tokens = await startMockTokenServer({ expiresInSeconds: 600 })
      const port = await freePort()
      server = await startServer([next, 'start', '--port', String(port)], {
        cwd: app,
        origin: `http://localhost:${port}`,
        page: files ? '/dashboard' : '/sign-in',
        quiet: true,
        environment: { ...environmentFor(tokens), NODE_ENV: 'production' },
      })
      browser = await startBrowser()
    })
    after(async () => {
      await browser?.close()
      await server?.stop()
      await tokens?.close()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    })

    it('gets the orders with one token for all requests', async () => {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => fetch(`${server.origin}/api/orders`)),
      )
      for (const answer of answers) assert.equal(answer.status, 200, server.output())
      assert.equal(tokens.tokenRequests.length, 1)
    })

    it('shows the monitor, which refreshes', async () => {
      const page = await openPage(browser)
      await page.goto(files ? `${server.origin}/dashboard` : `${server.origin}/sign-in#${adminSecret}`)
      await page.locator('.evertoken-badge', { hasText: 'Valid' }).waitFor()
      const requests = tokens.tokenRequests.length
      await page.getByRole('button', { name: 'Refresh now' }).click()
      await page.getByText(/^Refreshed at/).waitFor()
      assert.equal(tokens.tokenRequests.length, requests + 1)
      if (files) assert.match(await page.locator('main').getAttribute('data-react'), /^18\./)
      assert.deepEqual(page.troubles, [])
    })
  })
}
