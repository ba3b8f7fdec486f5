import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { initializeTokenService } from 'evertoken'
import { startMockTokenServer } from 'evertoken/testing'
import { serveRoutes } from '../support/app-routes.mjs'
import { bin, evertoken, folderFor } from '../support/cli.mjs'

const execute = promisify(execFile)

async function setUp(t, extra = {}) {
  const server = await startMockTokenServer({ refreshTokens: 'rotating' })
  t.after(() => server.close())
  const folder = folderFor(t)
  const env = {
    EXTERNAL_AUTH_URL: server.tokenUrl,
    OAUTH_CLIENT_ID: 'app',
    OAUTH_CLIENT_SECRET: 'the client secret',
    ...extra,
  }
  const call = (...args) => evertoken(args, { folder, env })
  return { server, call, folder }
}

describe('status, refresh and clear', () => {
  for (const storage of ['file', 'sqlite:./tokens.db']) {
    test(`act on the token stored in ${storage}`, async (t) => {
      const { server, call } = await setUp(t, { EVERTOKEN_STORAGE: storage })
      const before = await call('status')
      assert.match(before.stdout, /^external_api: missing\n/)
      const refreshed = await call('refresh', '--json')
      assert.deepEqual(
        [refreshed.status, refreshed.stderr, JSON.parse(refreshed.stdout).state],
        [0, '', 'valid'],
      )
      const after = await call('status')
      assert.equal(after.status, 0)
      assert.match(after.stdout, /^external_api: valid, for (1 h|59 min 5\d s)\n/)
      assert.match(after.stdout, /\n {2}source {8}store\n/)
      assert.equal(server.tokenRequests.length, 1, 'to look makes no request')
      await call('refresh')
      assert.equal(server.counts.refreshes, 1, 'the stored refresh token was spent')
      const cleared = await call('clear')
      assert.deepEqual([cleared.status, cleared.stdout], [0, 'The token was cleared.\n'])
      assert.equal(JSON.parse((await call('status', '--json')).stdout).state, 'missing')
    })
  }

  test('do not say that there is no token if the store cannot be read', async (t) => {
    const { call } = await setUp(t, { EVERTOKEN_STORAGE: 'postgres://app:hunter2@127.0.0.1:1/app' })
    const { status, stdout, stderr } = await call('status')
    assert.equal(status, 1)
    assert.match(stdout, /^external_api: unknown: the store cannot be read\n/)
    assert.match(stderr, /refused/)
    assert.ok(!`${stdout}${stderr}`.includes('hunter2'))
  })

  test('act on the service with a name', async (t) => {
    const { call } = await setUp(t)
    await call('refresh', '--service', 'billing')
    assert.match((await call('status', '--service', 'billing')).stdout, /^billing: valid/)
    assert.match((await call('status')).stdout, /^external_api: missing/)
  })

  test('print the error, and exit with 1', async (t) => {
    const { server, call } = await setUp(t)
    server.script(
      { status: 401, body: { error: 'invalid_client' } },
      { status: 401, body: { error: 'invalid_client' } },
    )
    const { status, stdout, stderr } = await call('refresh')
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, /^evertoken: ERR_TOKEN_CREDENTIALS: .+\nhttps:.+\/ERR_TOKEN_CREDENTIALS\.md\n$/)
    assert.ok(!stderr.includes('the client secret'))
  })

  test('act on a running app through its routes', async (t) => {
    const { server, call } = await setUp(t, { EVERTOKEN_ADMIN_SECRET: 'let me in' })
    const service = initializeTokenService({
      authUrl: server.tokenUrl,
      clientId: 'app',
      clientSecret: 'the client secret',
      storage: { kind: 'memory' },
    })
    t.after(() => service.shutdown())
    const app = await serveRoutes({
      authorize: (request) => request.headers.get('authorization') === 'Bearer let me in',
    })
    t.after(() => app.close())
    const endpoint = ['--endpoint', `${app.endpoint}/`]

    assert.match((await call('refresh', ...endpoint)).stdout, /^external_api: valid/)
    const token = await service.getToken()
    assert.equal(JSON.parse((await call('status', '--json', ...endpoint)).stdout).storage.kind, 'memory')
    assert.equal((await call('clear', ...endpoint)).status, 0)
    assert.notEqual(await service.getToken(), token)

    const elsewhere = await call('status', '--endpoint', server.apiUrl)
    assert.match(elsewhere.stderr, /^evertoken: ERR_TOKEN_RESPONSE: .+ responded with 401: /)
    await app.close()
    const nowhere = await call('status', ...endpoint)
    assert.match(nowhere.stderr, /^evertoken: ERR_TOKEN_NETWORK: .+ECONNREFUSED/)
  })

  test('refuse unknown options', async (t) => {
    const { call } = await setUp(t)
    for (const args of [
      ['status', '--nonsense'],
      ['status', 'extra'],
      ['refresh', '--endpoint', 'nonsense'],
      ['status', '--service'],
    ]) {
      const { status, stderr } = await call(...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /^evertoken: .+\n\nUsage: evertoken <command>\n/)
    }
    for (const [word, meant] of [
      ['docter', 'doctor'],
      ['stauts', 'status'],
      ['clea', 'clear'],
      ['reefresh', 'refresh'],
    ]) {
      const { status, stderr } = await call(word)
      assert.equal(status, 2)
      assert.match(
        stderr,
        new RegExp(`^evertoken: there is no command "${word}"; did you mean ${meant}\\?\n`),
      )
    }
    assert.match((await call('nonsense')).stderr, /^evertoken: there is no command "nonsense"\n/)
  })

  test('print their version and their help, and stop when the pipe is closed', async (t) => {
    const { call, folder } = await setUp(t)
    const { version } = createRequire(import.meta.url)('evertoken/package.json')
    for (const command of ['init', 'doctor', 'login', 'status', 'refresh', 'clear', 'keygen']) {
      assert.deepEqual(await call(command, '--version'), { status: 0, stdout: `${version}\n`, stderr: '' })
      const { status, stdout } = await call(command, '--help')
      assert.deepEqual([status, stdout.split('\n')[0].startsWith(`Usage: evertoken ${command}`)], [0, true])
    }
    const { stderr } = await execute('sh', ['-c', `"$0" "$1" --help | true`, process.execPath, bin], {
      cwd: folder,
    })
    assert.equal(stderr, '')
  })
})
