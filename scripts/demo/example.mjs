// The example application, as it would be deployed: installed from tarballs, built, and its standalone output
// started in another folder.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { tarballName } from '../support/pack.mjs'
import { thisPlatform } from '../support/platforms.mjs'
import { readManifest, root } from '../support/root.mjs'
import { mustRun, npm } from '../support/run.mjs'
import { freePort } from './listen.mjs'

const source = join(root, 'examples', 'nextjs')

/** What a developer may have lying in the example's folder, and is not part of it. */
const leftOut = new Set([
  'node_modules',
  '.next',
  'data',
  '.env',
  '.env.local',
  'next-env.d.ts',
  'tsconfig.tsbuildinfo',
])

/** Packs evertoken if it has changed, and installs and builds the example in `folder`. */
export async function buildExample(folder, { quiet = false, bundler = 'turbopack' } = {}) {
  await installExample(folder, { quiet })
  await buildAgain(folder, { quiet, bundler })
}

/**
 * Copies the example to `folder`/app and installs it there, with evertoken from this repository's tarballs, and with
 * other versions of what it depends on where `versions` says so.
 */
export async function installExample(folder, { quiet = false, versions = {} } = {}) {
  await mustRun(...npm('run', 'pack:local'), { quiet })
  const app = join(folder, 'app')
  await cp(source, app, { recursive: true, filter: (path) => !leftOut.has(path.slice(source.length + 1)) })
  const manifest = JSON.parse(await readFile(join(app, 'package.json'), 'utf8'))
  Object.assign(manifest.dependencies, versions)
  manifest.devDependencies = Object.fromEntries(
    Object.entries(manifest.devDependencies).filter(([name]) => !(name in versions)),
  )
  const { version } = readManifest()
  for (const name of ['evertoken', thisPlatform().packageName]) {
    manifest.dependencies[name] = `file:${join(root, 'dist', tarballName({ name, version }))}`
  }
  await writeFile(join(app, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  await mustRun(...npm('install', '--no-audit', '--no-fund', '--loglevel=error'), {
    cwd: app,
    quiet,
    limitMs: 5 * 60_000,
  })
}

/** Builds the installed example and lays its standalone output out in `folder`/server. */
export async function buildAgain(folder, { quiet = false, bundler = 'turbopack', server = 'server' } = {}) {
  const app = join(folder, 'app')
  const next = join(app, 'node_modules', 'next', 'dist', 'bin', 'next')
  const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
  await mustRun(process.execPath, [next, 'build', `--${bundler}`], {
    cwd: app,
    env,
    quiet,
    limitMs: 5 * 60_000,
  })
  const target = join(folder, server)
  await cp(join(app, '.next', 'standalone'), target, { recursive: true, verbatimSymlinks: true })
  await cp(join(app, '.next', 'static'), join(target, '.next', 'static'), { recursive: true })
}

/** Starts what `buildExample` laid out, with these variables, and waits until it answers. */
export async function startExample(folder, environment, { server = 'server', quiet = false } = {}) {
  const port = await freePort()
  return startServer([join(folder, server, 'server.js')], {
    cwd: join(folder, server),
    origin: `http://localhost:${port}`,
    environment: { ...environment, NODE_ENV: 'production', HOSTNAME: 'localhost', PORT: String(port) },
    quiet,
  })
}

/** Starts a Node program and waits until a page of it answers; `again` starts it once more. */
export async function startServer(args, options) {
  const { cwd, origin, environment, page = '/sign-in', quiet = false } = options
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...plainEnvironment(), NEXT_TELEMETRY_DISABLED: '1', ...environment },
    // The parent process, not the terminal, decides what Ctrl-C ends.
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const [stream, out] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-100_000)
      if (!quiet) out.write(text)
    })
  }
  let hasEnded = false
  const ended = once(child, 'close').then(([code, signal]) => {
    hasEnded = true
    return { reason: signal ?? `exit ${code}` }
  })
  const stop = async () => {
    if (hasEnded) return
    endGroup(child, 'SIGTERM')
    // Next.js waits for its connections, and a page that asks again and again keeps one open for ever.
    const timer = setTimeout(() => endGroup(child, 'SIGKILL'), 5000)
    await ended
    clearTimeout(timer)
  }
  const deadline = AbortSignal.timeout(60_000)
  while (!(await answers(origin + page))) {
    if (hasEnded || deadline.aborted) {
      await stop()
      throw new Error(`the example did not start\n${output}`)
    }
    await pause(100)
  }
  return { origin, ended, stop, output: () => output, again: () => startServer(args, options) }
}

/** A server may have children of its own; `next dev` has. */
function endGroup(child, signal) {
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // It had ended by itself.
  }
}

async function answers(url) {
  return fetch(url, { signal: AbortSignal.timeout(30_000) }).then(
    (response) => response.ok,
    () => false,
  )
}

/** This process's variables without those that would configure the example, or change Node under it. */
function plainEnvironment() {
  const ours =
    /^(EXTERNAL_|OAUTH_|EVERTOKEN_|TOKEN_ENCRYPTION_KEY$|ORDERS_API_URL$|LOG_|NODE_OPTIONS$|NODE_TEST_CONTEXT$|NODE_ENV$|npm_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}
