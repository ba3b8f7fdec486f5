// A login endpoint: Django with simplejwt if Python and its packages are available, else a plain one in Node.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { jwtVerify, SignJWT } from 'jose'
import { run } from '../support/run.mjs'
import { answer, listen } from './listen.mjs'

/** Starts one of the two; the result is as that of `startOidcServer`. */
export async function startLoginServer({ folder, lifetimeSeconds, say }) {
  const account = { username: 'demo@example.com', password: randomBytes(16).toString('base64url') }
  const secret = randomBytes(48).toString('base64url')
  const key = new TextEncoder().encode(secret)
  const settings = { account, secret, lifetimeSeconds, say }
  const server = (await startDjango(folder, settings)) ?? (await startPlain(settings, key))
  return {
    description: server.description,
    environment: {
      EXTERNAL_AUTH_URL: server.url,
      EXTERNAL_API_EMAIL: account.username,
      EXTERNAL_API_PASSWORD: account.password,
    },
    verify: (token) => jwtVerify(token, key, { algorithms: ['HS256'], requiredClaims: ['exp'] }),
    stop: server.stop,
  }
}

async function startDjango(folder, { account, secret, lifetimeSeconds, say }) {
  const python = await makePython(folder, say)
  if (python === null) return null
  const child = spawn(python, [fileURLToPath(new URL('django-server.py', import.meta.url))], {
    env: {
      ...process.env,
      DEMO_USERNAME: account.username,
      DEMO_PASSWORD: account.password,
      DEMO_SECRET: secret,
      DEMO_LIFETIME_SECONDS: String(lifetimeSeconds),
    },
    // What Ctrl-C ends is decided here, and not by the terminal.
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  const port = await Promise.race([
    once(lines, 'line').then(([line]) => Number(line)),
    ended.then(() => null),
  ])
  if (port === null) throw new Error('the Django server did not start')
  lines.on('line', (line) => say(line))
  const origin = `http://127.0.0.1:${port}`
  return {
    url: `${origin}/api/token/`,
    description: `${origin} (Django with simplejwt, a login)`,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** A throw-away Python with Django in it, or null. */
async function makePython(folder, say) {
  const home = join(folder, 'python')
  const command = process.platform === 'win32' ? 'python' : 'python3'
  const venv = await run(command, ['-m', 'venv', home], { quiet: true, limitMs: 2 * 60_000 })
  if (venv.code !== 0) {
    say('no Python with venv is installed: using a plain login endpoint instead of Django')
    return null
  }
  const python =
    process.platform === 'win32' ? join(home, 'Scripts', 'python.exe') : join(home, 'bin', 'python')
  say('installing Django with simplejwt into a throw-away folder')
  const packages = ['django', 'djangorestframework-simplejwt']
  const install = await run(
    python,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages],
    {
      quiet: true,
      limitMs: 5 * 60_000,
    },
  )
  if (install.code === 0) return python
  say('Django could not be installed: a plain login endpoint stands in for it')
  return null
}

async function startPlain({ account, lifetimeSeconds, say }, key) {
  const { origin, stop } = await listen(async (request, response) => {
    if (request.method !== 'POST' || request.url !== '/api/login')
      return answer(response, 404, { error: 'not found' })
    const body = await bodyOf(request)
    if (!isSame(body?.email, account.username) || !isSame(body?.password, account.password)) {
      return answer(response, 401, { error: 'wrong email or password' })
    }
    const token = await new SignJWT({ sub: account.username })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuedAt()
      .setExpirationTime(`${lifetimeSeconds}s`)
      .sign(key)
    say('the login endpoint issued a token')
    answer(response, 200, { token })
  })
  return { url: `${origin}/api/login`, description: `${origin} (a plain login endpoint)`, stop }
}

async function bodyOf(request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > 10_000) return null
  }
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isSame = (given, wanted) =>
  typeof given === 'string' &&
  given.length === wanted.length &&
  timingSafeEqual(Buffer.from(given), Buffer.from(wanted))
