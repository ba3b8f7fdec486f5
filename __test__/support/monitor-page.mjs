// Pages with nothing but the monitor on them, for React 18 and 19, and routes that answer as a test says.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { states } from '../../scripts/preview/states.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What each version is called in node_modules. */
const packages = {
  18: { react: 'react-18', 'react-dom': 'react-dom-18' },
  19: {},
}

/** The versions of React that are tested. */
export const reacts = Object.keys(packages)

const inBrowser = `
  import { createElement, StrictMode } from 'react'
  import { createRoot, hydrateRoot } from 'react-dom/client'
  import { TokenMonitor } from 'evertoken/react'
  const { props, isStrict } = JSON.parse(document.getElementById('given').textContent)
  const monitor = createElement(TokenMonitor, props)
  const page = isStrict ? createElement(StrictMode, null, monitor) : monitor
  const place = document.getElementById('place')
  const root = place.hasChildNodes() ? hydrateRoot(place, page) : createRoot(place)
  if (!place.hasChildNodes()) root.render(page)
  globalThis.unmount = () => root.unmount()
`
const onServer = `
  import { createElement } from 'react'
  import { renderToString } from 'react-dom/server'
  import { TokenMonitor } from 'evertoken/react'
  export const render = (props) => renderToString(createElement(TokenMonitor, props))
`

async function bundle(contents, version, options) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    alias: packages[version],
    bundle: true,
    // React warns of what is wrong in development only.
    define: { 'process.env.NODE_ENV': '"development"' },
    ...options,
  })
  return outputFiles?.[0].text
}

/** A status as the routes answer it at this moment: issued `ageSeconds` ago, good for another `leftSeconds`. */
export function liveStatus({ now = Date.now(), ageSeconds = 60, leftSeconds = 2_400, ...changes } = {}) {
  const at = (seconds) => new Date(now + seconds * 1_000).toISOString()
  return {
    ...states[0].status,
    issuedAt: at(-ageSeconds),
    refreshAt: at(leftSeconds - 300),
    expiresAt: at(leftSeconds),
    expiresInSeconds: leftSeconds,
    lastRefreshAt: at(-ageSeconds),
    scheduler: { ...states[0].status.scheduler, nextRefreshAt: at(leftSeconds - 300) },
    ...changes,
  }
}

/** An answer that never comes. */
export const never = () => new Promise(() => {})

/**
 * Starts a server for the pages. The routes of the service `x` are below `/api/x`; `routes.x` says what they answer by
 * method, with `{ status, headers, body }` or what makes one, and `requests` lists what they were asked.
 */
export async function startMonitorPages() {
  const folder = await mkdtemp(join(tmpdir(), 'evertoken-monitor-'))
  const scripts = {}
  const renders = {}
  for (const version of reacts) {
    scripts[version] = await bundle(inBrowser, version, { write: false })
    const outfile = join(folder, `server-${version}.cjs`)
    await bundle(onServer, version, { platform: 'node', format: 'cjs', outfile })
    renders[version] = createRequire(import.meta.url)(outfile).render
  }

  const pages = new Map()
  const requests = []
  const routes = {}

  const server = createServer(async (request, response) => {
    const [, kind, name, path = ''] = new URL(request.url, 'http://localhost').pathname.split('/')
    if (kind === 'script') return response.setHeader('content-type', 'text/javascript').end(scripts[name])
    if (kind === 'page') return response.writeHead(200, pages.get(name).headers).end(pages.get(name).html)
    if (kind !== 'api') return response.writeHead(204).end()
    const { method, headers } = request
    requests.push({ service: name, method, path, headers })
    const said = routes[name]?.[method] ?? {}
    const {
      status = 200,
      headers: own,
      body = liveStatus({ service: name }),
    } = typeof said === 'function' ? await said() : said
    const isText = typeof body === 'string'
    response.writeHead(status, { 'content-type': isText ? 'text/html' : 'application/json', ...own })
    response.end(isText ? body : JSON.stringify(body))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`

  return {
    origin,
    requests,
    routes,
    /** How many requests there were: `count({ service: 'token', method: 'GET' })`. */
    count: (wanted) =>
      requests.filter((each) => Object.entries(wanted).every(([key, value]) => each[key] === value)).length,
    /** Forgets what was said and asked. */
    reset() {
      requests.length = 0
      for (const name of Object.keys(routes)) delete routes[name]
    },
    /** The address of a page with the monitor on it; `isRendered`: the server has written its HTML. */
    page({ react = '19', props = {}, isStrict = false, isRendered = false, headers = {}, head = '' } = {}) {
      const given = JSON.stringify({ props: { endpoint: '/api/token', ...props }, isStrict }).replaceAll(
        '<',
        '\\u003c',
      )
      const markup = isRendered ? renders[react]({ endpoint: '/api/token', ...props }) : ''
      const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Token</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">${head}
        <main><h1>Dashboard</h1><div id="place">${markup}</div><p id="after">After it</p></main>
        <script type="application/json" id="given">${given}</script>
        <script src="/script/${react}"></script></html>`
      const name = String(pages.size)
      pages.set(name, { html, headers: { 'content-type': 'text/html', ...headers } })
      return `${origin}/page/${name}`
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
