// `npx evertoken init` in fresh Next.js applications of each shape, which are then built and started.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startMockTokenServer } from 'evertoken/testing'
import { installExample, startServer } from '../../scripts/demo/example.mjs'
import { freePort } from '../../scripts/demo/listen.mjs'
import { mustRun } from '../../scripts/support/run.mjs'
import { replaceSources } from '../support/installed-example.mjs'

const page = 'export default function Home() {\n  return <h1>Home</h1>\n}\n'
const layout = (type) =>
  `export default function RootLayout({ children }${type}) {\n  return <html lang="en"><body>{children}</body></html>\n}\n`
const config = (type, keyword) => `${type}\n\nconst nextConfig = {}\n\n${keyword} nextConfig\n`

const shapes = {
  'app, TypeScript': {
    'tsconfig.json': '{}',
    'next.config.ts':
      'import type { NextConfig } from "next";\n\nconst nextConfig: NextConfig = {};\n\nexport default nextConfig;\n',
    'app/layout.tsx': layout(': { children: React.ReactNode }'),
    'app/page.tsx': page,
  },
  'src/app, JavaScript': {
    'next.config.mjs': config('/** @type {import("next").NextConfig} */', 'export default'),
    'src/app/layout.js': layout(''),
    'src/app/page.js': page,
  },
  'pages, JavaScript': {
    'next.config.js': config('/** @type {import("next").NextConfig} */', 'module.exports ='),
    'pages/index.js': page,
  },
}

describe('init in a fresh Next.js app', () => {
  let folder
  let app

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evertoken-init-'))
    await installExample(folder, { quiet: true })
    app = join(folder, 'app')
  })
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

  for (const [shape, files] of Object.entries(shapes)) {
    it(`of the shape ${shape} writes an app that can be built and started`, async (t) => {
      await replaceSources(app, files)
      const at = { cwd: app, quiet: true, limitMs: 5 * 60_000 }
      const next = join(app, 'node_modules', 'next', 'dist', 'bin', 'next')
      await mustRun(
        process.execPath,
        [join(app, 'node_modules', 'evertoken', 'lib', 'cli', 'index.js'), 'init', '--yes'],
        at,
      )
      await mustRun(process.execPath, [next, 'build'], {
        ...at,
        env: { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' },
      })

      const tokens = await startMockTokenServer()
      t.after(() => tokens.close())
      const port = await freePort()
      const origin = `http://localhost:${port}`
      const server = await startServer([next, 'start', '-p', String(port)], {
        cwd: app,
        origin,
        page: '/token',
        quiet: true,
        environment: {
          EXTERNAL_AUTH_URL: tokens.tokenUrl,
          OAUTH_CLIENT_ID: 'app',
          OAUTH_CLIENT_SECRET: 'secret',
          EVERTOKEN_ADMIN_SECRET: 'let me in',
          NODE_ENV: 'production',
        },
      })
      t.after(() => server.stop())
      const headers = { authorization: 'Bearer let me in' }
      const refreshed = await fetch(`${origin}/api/token/refresh`, { method: 'POST', headers })
      assert.equal(refreshed.status, 200, server.output())
      const status = await (await fetch(`${origin}/api/token/status`, { headers })).json()
      assert.deepEqual([status.state, status.scheduler.running], ['valid', true])
      assert.match(await (await fetch(`${origin}/token`)).text(), /evertoken/)
    })
  }
})
