// The packed package in the test runners of its users, as docs/testing.md has it: what it shows is read out of the page.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { tokenStoreCases } from 'evertoken/testing'
import { root } from '../../scripts/support/root.mjs'
import { createProject, packedTarballs } from '../support/package-project.mjs'

const page = readFileSync(join(root, 'docs', 'testing.md'), 'utf8')

/** The one block of the page that holds this text. */
function shown(text) {
  const blocks = [...page.matchAll(/^```\w+\n([\s\S]*?)^```/gm)]
    .map(([, code]) => code)
    .filter((code) => code.includes(text))
  assert.equal(blocks.length, 1, text)
  return blocks[0]
}

const application = {
  'src/orders.mjs': `import { getAuthHeaders } from 'evertoken'
    export const orders = async () => fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })`,
  'src/orders.cjs': `const { getAuthHeaders } = require('evertoken')
    exports.orders = async () => fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })`,
}

/** A unit test of the application, for either runner: `mock` is its `vi` or `jest`. */
const withStandIn = (mock) => `
  test('sends the header of the fake, and none after failWith()', async () => {
    globalThis.fetch = ${mock}.fn(async () => ({ status: 200 }))
    await orders()
    expect(fetch).toHaveBeenLastCalledWith(expect.anything(), { headers: { Authorization: 'Bearer fake-token-1' } })
    evertoken.failWith('ERR_TOKEN_CREDENTIALS')
    await orders()
    expect(fetch).toHaveBeenLastCalledWith(expect.anything(), { headers: {} })
    await expect(evertoken.initializeTokenService().refresh()).rejects.toBeInstanceOf(evertoken.TokenError)
    evertoken.failWith(null)
    expect(await evertoken.getTokenService().getToken()).toMatch(/^fake-token-/)
  })`

const withServer = `
  test('uses a refresh token once, repeats what was refused, and waits while requests are held', async () => {
    const server = await startMockTokenServer({ refreshTokens: 'rotating' })
    const service = initializeTokenService({
      authUrl: server.tokenUrl, clientId: 'app', clientSecret: 'secret', storage: { kind: 'memory' },
    })
    await service.getToken()
    await service.refresh()
    server.revokeAll()
    expect((await service.fetch(server.apiUrl)).status).toBe(200)
    expect(server.counts).toMatchObject({ logins: 1, refreshes: 2, reuses: 0 })
    server.script({ status: 401, body: { error: 'invalid_grant' } })
    server.hold()
    const refresh = service.refresh()
    await server.waitForRequests(4)
    server.release()
    expect((await refresh).state).toBe('valid')
    await service.shutdown()
    await server.close()
  })
  const records = new Map()
  const store = {
    get: (service) => records.get(service) ?? null,
    set: (service, record) => void records.set(service, record),
    delete: (service) => void records.delete(service),
  }
  for (const { name, run } of tokenStoreCases) test(name, () => run(() => store))`

describe('the test runners of a real project', () => {
  let project
  before(async () => {
    const libraries = [
      'jest@30',
      'jest-environment-jsdom@30',
      'vitest@4',
      'jsdom',
      'react@19',
      'react-dom@19',
      '@testing-library/react',
      '@testing-library/dom',
    ]
    project = await createProject([...(await packedTarballs()), ...libraries], ['--prefer-offline'])
    await project.write(application)
  })
  after(() => project?.remove())

  const runner = (name, ...path) => join(project.folder, 'node_modules', name, ...path)
  const count = tokenStoreCases.length

  test('Jest: the fake in both environments, the token server and the monitor; and the process exits', async () => {
    await project.write({
      'jest/stand-in.test.js': `${shown('jest.mock(')}
        const evertoken = require('evertoken')
        const { orders } = require('../src/orders.cjs')
        ${withStandIn('jest')}`,
      'jest/stand-in-jsdom.test.js': `/** @jest-environment jsdom */
        ${shown('jest.mock(')}
        const evertoken = require('evertoken')
        const { orders } = require('../src/orders.cjs')
        ${withStandIn('jest')}`,
      'jest/server.test.js': `const { initializeTokenService } = require('evertoken')
        const { startMockTokenServer, tokenStoreCases } = require('evertoken/testing')
        ${withServer}`,
      'jest/monitor.test.js': `/** @jest-environment jsdom */
        const { createElement } = require('react')
        const { render, screen } = require('@testing-library/react')
        const { TokenMonitor } = require('evertoken/react')
        const { createFakeEvertoken } = require('evertoken/testing')
        test('the monitor renders', async () => {
          const service = createFakeEvertoken().initializeTokenService()
          await service.refresh()
          const text = async () => JSON.stringify(service.status())
          globalThis.fetch = async () => ({ ok: true, status: 200, headers: new Headers(), text })
          render(createElement(TokenMonitor))
          expect(await screen.findByText('Valid')).toBeTruthy()
        })`,
    })
    const { code, stderr } = await project.node([runner('jest', 'bin', 'jest.js'), '--rootDir=jest', '--ci'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, new RegExp(`Tests: +${count + 4} passed, ${count + 4} total`))
    assert.doesNotMatch(stderr, /did not exit|open handle|failed to exit/)
  })

  test('Vitest: the fake, the token server and the monitor', async () => {
    await project.write({
      'vitest/stand-in.test.js': `${shown('vi.mock(')}
        import { expect, test } from 'vitest'
        import * as evertoken from 'evertoken'
        import { orders } from '../src/orders.mjs'
        ${withStandIn('vi')}`,
      'vitest/server.test.js': `import { expect, test } from 'vitest'
        import { initializeTokenService } from 'evertoken'
        import { startMockTokenServer, tokenStoreCases } from 'evertoken/testing'
        ${withServer}`,
      'vitest/monitor.test.tsx': shown('<TokenMonitor />'),
    })
    const { code, stdout, stderr } = await project.node([
      runner('vitest', 'vitest.mjs'),
      'run',
      '--dir=vitest',
      '--no-color',
    ])
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, new RegExp(`Tests +${count + 3} passed`))
  })

  test('Node: the test that the page shows', async () => {
    await project.write({ 'node/orders.test.mjs': shown('an order is sent again') })
    const { code, stdout } = await project.node(['--test', join('node', 'orders.test.mjs')])
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^# pass 1$/m)
  })
})
