import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { runScript } from '../support/child.mjs'
import { thisPlatform } from '../../scripts/support/platforms.mjs'

const require = createRequire(import.meta.url)

describe('in an Edge runtime or a browser', () => {
  const sentence =
    /runs in Node\.js, not in an Edge runtime or a browser: put `export const runtime = 'nodejs'`/

  for (const condition of ['edge-light', 'workerd', 'browser']) {
    test(`an import says where it belongs, under the condition ${condition}`, async () => {
      const source = `import { ${Object.keys(require('evertoken')).join(', ')} } from 'evertoken'`
      const { code, stderr } = await runScript(source, { args: ['--conditions', condition] })
      assert.equal(code, 1)
      assert.match(stderr, sentence)
    })
  }

  test('a require throws the same', async () => {
    const source = `import { createRequire } from 'node:module'; createRequire(process.cwd() + '/')('evertoken')`
    const { code, stderr } = await runScript(source, { args: ['--conditions', 'edge-light'] })
    assert.equal(code, 1)
    assert.match(stderr, sentence)
  })
})

describe('an addon that does not load', () => {
  let folder
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'evertoken-load-'))
    writeFileSync(join(folder, 'broken.node'), 'not a library')
    writeFileSync(join(folder, 'older.cjs'), 'exports.initialize = () => ""')
  })
  after(() => rmSync(folder, { recursive: true }))

  /** What is thrown where the addon is this file. */
  async function errorWith(file, call) {
    const source = `
      import { configFromEnv, getAuthHeaders, getTokenService, initializeTokenService, TokenError } from 'evertoken'
      configFromEnv()
      const error = await (async () => ${call})().catch((error) => error)
      const { name, code, message, cause } = error
      console.log(JSON.stringify({ name, code, message, isTokenError: error instanceof TokenError, cause: cause && String(cause) }))
    `
    const { stdout, stderr } = await runScript(source, {
      env: { NAPI_RS_NATIVE_LIBRARY_PATH: join(folder, file) },
    })
    assert.equal(stderr, '')
    return JSON.parse(stdout)
  }

  for (const call of ['initializeTokenService({ token: "x" })', 'getTokenService()', 'getAuthHeaders()']) {
    test(`does not break the import, and is one clear error of ${call.split('(')[0]}`, async () => {
      const { name, code, message, isTokenError, cause } = await errorWith('broken.node', call)
      assert.deepEqual(
        { name, code, isTokenError },
        { name: 'TokenError', code: 'ERR_TOKEN_INTERNAL', isTokenError: true },
      )
      assert.ok(message.includes(`on ${process.platform} ${process.arch}`), message)
      assert.ok(message.includes(`the optional package ${thisPlatform().packageName} `), message)
      if (process.platform === 'linux') assert.match(message, /with (glibc \d+\.\d+|musl):/)
      // What the dynamic loader itself said.
      assert.match(message, /broken\.node/)
      assert.ok(cause.length > 0)
    })
  }

  test('has another message than a missing one', async () => {
    const { message, cause } = await errorWith('missing.node', 'getTokenService()')
    assert.match(message, /Neither exists\./)
    assert.ok(cause.length > 0)
  })

  test('has another message than one of another version', async () => {
    const { code, message } = await errorWith('older.cjs', 'getTokenService()')
    assert.equal(code, 'ERR_TOKEN_INTERNAL')
    assert.match(message, /does not match its JavaScript: it lacks find, attach, headers/)
  })
})
