// Django with simplejwt and Django OAuth Toolkit, in a virtual environment that is made once and kept.

import { execFile, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const cache = join(root, 'node_modules', '.cache', 'evertoken-django')
const source = (name) => fileURLToPath(new URL(`./django/${name}`, import.meta.url))
const isWindows = process.platform === 'win32'

/** The one account. */
export const account = { username: 'robot', password: 'a pässword: 100%+' }

/** The clients of Django OAuth Toolkit, which has one grant for each. */
export const machine = { clientId: 'machine', clientSecret: 'a secret: 100%+' }
export const person = { clientId: 'person', clientSecret: 'another secret' }

/**
 * Resolves with `{ python }` or, if there is none, with `{ reason }` in a sentence. Two processes that
 * make the environment at once would disturb each other: one test file uses it.
 */
export async function djangoEnvironment() {
  const python = isWindows ? join(cache, 'Scripts', 'python.exe') : join(cache, 'bin', 'python')
  const requirements = await readFile(source('requirements.txt'), 'utf8')
  const made = join(cache, 'made')
  if ((await readFile(made, 'utf8').catch(() => '')) === requirements) return { python }
  await rm(cache, { recursive: true, force: true })
  await mkdir(dirname(cache), { recursive: true })
  const venv = await run(isWindows ? 'python' : 'python3', '-m', 'venv', cache).catch(asReason)
  if (venv.reason) return { reason: `no Python with venv is installed: ${venv.reason}` }
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  const install = await run(python, ...pip, '-r', source('requirements.txt')).catch(asReason)
  if (install.reason) return { reason: `Django cannot be installed: ${install.reason}` }
  await writeFile(made, requirements)
  return { python }
}

const run = (program, ...args) => promisify(execFile)(program, args, { timeout: 300_000 })

/** The last words of the program, or why there are none. */
const asReason = (error) => ({ reason: `${error.stderr || error.message}`.trim().split('\n').at(-1) })

/**
 * Starts the server on a free port.
 *
 * @param {string} python the one of `djangoEnvironment`
 * @param {object} [options]
 * @param {number} [options.accessSeconds] how long access tokens live
 * @param {number} [options.refreshSeconds] how long refresh tokens live
 * @param {boolean} [options.debug] Django's DEBUG
 * @param {boolean} [options.appendSlash] Django's APPEND_SLASH
 * @param {string} [options.headerType] the word before the token that simplejwt wants
 */
export async function startDjango(
  python,
  {
    accessSeconds = 300,
    refreshSeconds = 86_400,
    debug = false,
    appendSlash = true,
    headerType = 'Bearer',
  } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-django-'))
  const settings = {
    secret: randomBytes(48).toString('base64url'),
    database: join(folder, 'db.sqlite3'),
    accessSeconds,
    refreshSeconds,
    debug,
    appendSlash,
    headerType,
    ...account,
    clients: [
      { ...machine, grant: 'client-credentials' },
      { ...person, grant: 'password' },
    ],
  }
  const child = spawn(python, [source('project.py')], {
    env: { ...process.env, DJANGO_TEST_SETTINGS: JSON.stringify(settings), PYTHONUTF8: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.on('data', (text) => (complaints += text))
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([once(lines, 'line'), ended.then(() => null)])
  if (first === null) throw new Error(`Django did not start: ${complaints}`)
  const answered = []
  lines.on('line', (line) => answered.push(JSON.parse(line)))
  const origin = `http://127.0.0.1:${first[0]}`
  return {
    origin,
    /**
     * The requests that were answered so far, as they came: `{ method, path, status, body }`; only those to `path`
     * where one is given.
     */
    async answered(path) {
      // The log takes another way than the answers, but an orderly one.
      const mark = `/mark-${randomUUID()}`
      await fetch(`${origin}${mark}`)
      while (!answered.some((request) => request.path === mark)) await once(lines, 'line')
      const real = answered.filter((request) => !request.path.startsWith('/mark-'))
      return path === undefined ? real : real.filter((request) => request.path === path)
    },
    async close() {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
