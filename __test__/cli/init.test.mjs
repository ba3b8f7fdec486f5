import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { bin, evertoken, folderFor } from '../support/cli.mjs'

const execute = promisify(execFile)

// Runs the command on a terminal of its own, and types the first argument when it is asked.
const answering = `
import os, pty, sys
typed = sys.argv[1].encode()
seen = b''
def read(terminal):
    global seen, typed
    data = os.read(terminal, 1024)
    seen += data
    if b'[y/N]' in seen and typed:
        os.write(terminal, typed)
        typed = b''
    return data
status = pty.spawn(sys.argv[2:], read)
print('exit', os.waitstatus_to_exitcode(status))
`
const noTerminal =
  spawnSync('python3', ['-c', 'import pty']).status !== 0 && 'no Python with the module pty is installed'

const typescript = {
  'package.json': '{ "dependencies": { "next": "16", "evertoken": "0" } }',
  'tsconfig.json': '{}',
  'next.config.ts':
    'import type { NextConfig } from "next";\n\nconst nextConfig: NextConfig = {};\n\nexport default nextConfig;\n',
  'app/layout.tsx': '',
}

const javascript = {
  'package.json': '{ "dependencies": { "next": "15" } }',
  'next.config.js':
    '/** @type {import("next").NextConfig} */\nconst nextConfig = {}\n\nmodule.exports = nextConfig\n',
}

/** A project of these files, and a way to run `init` and to look at it. */
function project(t, files) {
  const folder = folderFor(t)
  const at = (path) => join(folder, path)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), content)
  }
  return {
    folder,
    init: (...args) => evertoken(['init', ...args], { folder }),
    read: (path) => readFileSync(at(path), 'utf8'),
    has: (path) => existsSync(at(path)),
  }
}

describe('the key that init generates', () => {
  const keyOf = (text) => /^TOKEN_ENCRYPTION_KEY=([\w-]{43})$/m.exec(text)?.[1]

  test('goes into .env.local, which only its owner can read, and not to the terminal', async (t) => {
    const { folder, init, read } = project(t, typescript)
    const { stdout } = await init('--yes')
    const key = keyOf(read('.env.local'))
    assert.ok(key, read('.env.local'))
    assert.ok(!stdout.includes(key), stdout)
    assert.match(stdout, /\.env\.local \(new\)\n {4}\+ TOKEN_ENCRYPTION_KEY=\(a new key\)/)
    if (process.platform !== 'win32') assert.equal(statSync(join(folder, '.env.local')).mode & 0o777, 0o600)
    const other = project(t, typescript)
    await other.init('--yes')
    assert.notEqual(keyOf(other.read('.env.local')), key)
    await init('--yes')
    assert.equal(keyOf(read('.env.local')), key, 'it stays')
  })

  test('is added to a file that exists, of which nothing is shown', async (t) => {
    for (const [before, expected] of [
      ['A_SECRET=hunter2', /^A_SECRET=hunter2\nTOKEN_ENCRYPTION_KEY=[\w-]{43}\n$/],
      ['A_SECRET=hunter2\r\n', /^A_SECRET=hunter2\r\nTOKEN_ENCRYPTION_KEY=[\w-]{43}\r\n$/],
      ['TOKEN_ENCRYPTION_KEY=\nA_SECRET=hunter2\n', /^TOKEN_ENCRYPTION_KEY=[\w-]{43}\nA_SECRET=hunter2\n$/],
      ['export TOKEN_ENCRYPTION_KEY=""\n', /^TOKEN_ENCRYPTION_KEY=[\w-]{43}\n$/],
      ['# TOKEN_ENCRYPTION_KEY=x\n', /^# TOKEN_ENCRYPTION_KEY=x\nTOKEN_ENCRYPTION_KEY=[\w-]{43}\n$/],
    ]) {
      const { init, read } = project(t, { ...typescript, '.env.local': before })
      const { stdout } = await init('--yes')
      assert.match(read('.env.local'), expected)
      assert.ok(!stdout.includes('hunter2'), stdout)
    }
  })

  test('replaces no key', async (t) => {
    for (const [file, text] of [
      ['.env.local', 'TOKEN_ENCRYPTION_KEY=mine\n'],
      ['.env.local', "export TOKEN_ENCRYPTION_KEY = 'mine'\n"],
      ['.env.local', 'TOKEN_ENCRYPTION_KEY_FILE=/run/secrets/key\n'],
      ['.env', 'TOKEN_ENCRYPTION_KEY=mine\n'],
      ['.env.production.local', 'TOKEN_ENCRYPTION_KEY=mine\n'],
    ]) {
      const { init, read, has } = project(t, { ...typescript, [file]: text })
      await init('--yes')
      assert.equal(read(file), text)
      assert.ok(file === '.env.local' || !has('.env.local'), file)
    }
  })
})

describe('init', () => {
  const shapes = [
    [
      'app, TypeScript',
      typescript,
      ['app/api/token/[[...action]]/route.ts', 'instrumentation.ts', 'app/token/page.tsx'],
    ],
    [
      'src/app, JavaScript',
      { ...javascript, 'src/app/layout.jsx': '' },
      ['src/app/api/token/[[...action]]/route.js', 'src/instrumentation.js', 'src/app/token/page.jsx'],
    ],
    [
      'pages, JavaScript',
      { ...javascript, 'pages/index.jsx': '' },
      ['app/api/token/[[...action]]/route.js', 'instrumentation.js', 'pages/token.jsx'],
    ],
    [
      'src/pages, TypeScript',
      { ...typescript, 'app/layout.tsx': undefined, 'src/pages/index.tsx': '' },
      ['src/app/api/token/[[...action]]/route.ts', 'src/instrumentation.ts', 'src/pages/token.tsx'],
    ],
  ]
  for (const [shape, files, expected] of shapes) {
    test(`adds everything to an app of the shape ${shape}, once`, async (t) => {
      const given = Object.fromEntries(Object.entries(files).filter(([, content]) => content !== undefined))
      const { init, read, has } = project(t, given)
      const { status, stdout, stderr } = await init('--yes')
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, /\n6 files written\. Next:\n/)
      for (const path of [...expected, '.env.example', '.env.local']) assert.ok(has(path), path)
      const config = read(has('next.config.ts') ? 'next.config.ts' : 'next.config.js')
      assert.match(config, /^(export default|module\.exports =) withEvertoken\(nextConfig\);?$/m)
      assert.match(config, /^(import|const) \{ withEvertoken \}.+evertoken\/next/m)
      const again = await init('--yes')
      assert.match(again.stdout, /^All files already exist\./)
    })
  }

  test('names a file that cannot be written', async (t) => {
    const { init, read } = project(t, { ...typescript, 'app/api': 'a file, where a folder should be' })
    const { status, stderr } = await init('--yes')
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^evertoken: ERR_TOKEN_CONFIG: app\/api\/token\/.+route\.ts cannot be written \((ENOTDIR|EEXIST)\)/,
    )
    assert.equal(read('app/api'), 'a file, where a folder should be')
  })

  for (const [key, typed] of [
    ['Ctrl-C', '\x03'],
    ['Ctrl-D', '\x04'],
    ['no', 'n\r'],
  ]) {
    test(`writes nothing if the answer on a terminal is ${key}`, { skip: noTerminal }, async (t) => {
      const { folder, has } = project(t, typescript)
      const { stdout } = await execute('python3', ['-c', answering, typed, process.execPath, bin, 'init'], {
        cwd: folder,
        timeout: 60_000,
      })
      assert.match(stdout, /Write these changes\? \[y\/N\][\s\S]*Nothing was written\.[\s\S]*\nexit 1\n$/)
      assert.ok(!has('instrumentation.ts'))
    })
  }

  test('writes nothing without confirmation', async (t) => {
    const { init, has } = project(t, typescript)
    const { status, stdout } = await init()
    assert.equal(status, 1)
    assert.match(stdout, /^instrumentation\.ts \(new\)\n {4}\+ export async function register\(\) \{\n/m)
    assert.match(
      stdout,
      /^ {4}- export default nextConfig;\n {4}\+ export default withEvertoken\(nextConfig\);\n/m,
    )
    assert.match(stdout, /Use --yes to write without asking\.\nNothing was written\.\n$/)
    assert.ok(!has('instrumentation.ts'))
  })

  test('inserts its lines into existing files, and replaces nothing', async (t) => {
    const { init, read } = project(t, {
      ...typescript,
      'instrumentation.ts':
        "import { registerOTel } from '@vercel/otel'\n\nexport async function register(): Promise<void> {\n  registerOTel('app')\n}\n",
      '.env.example': 'DATABASE_URL=\n',
      'prisma/schema.prisma': 'datasource db {\n  provider = "sqlite"\n}\n',
    })
    await init('--yes', '--prisma')
    const instrumentation = read('instrumentation.ts')
    assert.match(
      instrumentation,
      /register\(\): Promise<void> \{\n {2}if \(process\.env\.NEXT_RUNTIME === 'nodejs'\) \{\n/,
    )
    assert.match(instrumentation, /\n {2}\}\n {2}registerOTel\('app'\)\n\}\n$/)
    assert.match(read('.env.example'), /^DATABASE_URL=\n\n# .+\nEXTERNAL_AUTH_URL=\n/)
    assert.match(
      read('prisma/schema.prisma'),
      /^datasource db \{[\s\S]+\n\}\n\nmodel TokenCache \{\n[\s\S]+@@map\("token_cache"\)\n\}\n$/,
    )
  })

  test('writes with the line ends of the file', async (t) => {
    const files = {
      ...typescript,
      'instrumentation.ts': 'export async function register() {\n  begin()\n}\n',
      '.env.example': 'DATABASE_URL=\n',
    }
    const crlf = (text) => text.replaceAll('\n', '\r\n')
    const [unix, windows] = [
      files,
      Object.fromEntries(Object.entries(files).map(([path, text]) => [path, crlf(text)])),
    ].map((each) => project(t, each))
    for (const { init } of [unix, windows]) assert.equal((await init('--yes')).status, 0)
    for (const path of ['instrumentation.ts', 'next.config.ts', '.env.example']) {
      assert.match(unix.read(path), /evertoken|EXTERNAL_AUTH_URL/, path)
      assert.equal(windows.read(path), crlf(unix.read(path)), path)
    }
  })

  test('inserts its import after one of several lines', async (t) => {
    const config =
      "import {\n  withSentryConfig,\n} from '@sentry/nextjs'\n\nconst nextConfig = {}\n\nexport default nextConfig\n"
    const { init, read } = project(t, { ...typescript, 'next.config.ts': config })
    await init('--yes')
    assert.match(
      read('next.config.ts'),
      /^import \{\n {2}withSentryConfig,\n\} from '@sentry\/nextjs'\nimport \{ withEvertoken \}/,
    )
  })

  test('leaves what has no clear place to the user, and says what to write', async (t) => {
    const files = {
      ...typescript,
      'next.config.ts': 'export default async () => ({ reactStrictMode: true })\n',
      'instrumentation.ts': 'export const register = () => {}\n',
      'app/api/token/[[...action]]/route.ts': 'export const GET = () => new Response()\n',
    }
    const { init, read } = project(t, files)
    const { status, stdout } = await init('--yes', '--prisma')
    assert.equal(status, 0)
    for (const path of ['next.config.ts', 'instrumentation.ts', 'app/api/token/[[...action]]/route.ts']) {
      assert.equal(read(path), files[path], path)
      assert.ok(stdout.includes(`! ${path} `), path)
    }
    assert.match(stdout, /! prisma\/schema\.prisma does not exist: run `npx prisma init`/)
    assert.match(stdout, /resolve the items marked ! above/)
  })

  test('re-exports evertoken at the path of the service that it replaces', async (t) => {
    const { init, read } = project(t, typescript)
    await init('--yes', '--migrate')
    const names = read('lib/services/token-refresh-service.ts')
      .match(/^ {2}\w+/gm)
      .map((name) => name.trim())
    const exported = await import('evertoken')
    for (const name of names) assert.ok(name in exported, name)
  })

  test('reports a folder that is not an app', async (t) => {
    for (const files of [{}, { 'package.json': '{}' }, { 'package.json': 'nonsense' }]) {
      const { status, stderr } = await project(t, files).init('--yes')
      assert.equal(status, 1)
      assert.match(stderr, /^evertoken: ERR_TOKEN_CONFIG: .+package\.json/)
    }
  })
})
