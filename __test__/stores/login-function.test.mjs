// A function as `login` in several processes that share a store.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runScript } from '../support/child.mjs'

const script = (folder, storage, work) => `
  const { appendFileSync, readFileSync } = await import('node:fs')
  const { setTimeout: sleep } = await import('node:timers/promises')
  const { initializeTokenService, TokenError } = await import('evertoken')
  const called = (what) => appendFileSync(${JSON.stringify(join(folder, 'calls'))}, what + '\\n')
  const initialize = (login) => initializeTokenService({
    service: 'own', encryptionKey: '0123456789abcdef0123456789abcdef-a', onFailure: 'throw',
    storage: ${JSON.stringify(storage)}, login,
  })
  ${work}
`

const run = async (folder, storage, work) => {
  const { code, stdout, stderr } = await runScript(script(folder, storage, work))
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  return stdout.trim()
}

const placesIn = (folder) => ({
  file: { kind: 'file', path: join(folder, 'tokens.json') },
  sqlite: { kind: 'sqlite', path: join(folder, 'tokens.db') },
})

for (const kind of ['file', 'sqlite']) {
  describe(`a function as login over ${kind}`, () => {
    const useFolder = (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'evertoken-own-login-'))
      t.after(() => rmSync(folder, { recursive: true, force: true }))
      return { folder, storage: placesIn(folder)[kind], calls: () => linesOf(join(folder, 'calls')) }
    }
    const linesOf = (path) => readFileSync(path, 'utf8').trim().split('\n')

    test('is called once by three processes with 200 callers each, and its answer is sealed', async (t) => {
      const { folder, storage, calls } = useFolder(t)
      const work = `
        const service = initialize(async () => {
          called('login')
          await sleep(300)
          return { token: 'token-hunter2', refreshToken: 'refresh-hunter2', fields: { region: 'field-hunter2' } }
        })
        const tokens = await Promise.all(Array.from({ length: 200 }, () => service.getToken()))
        console.log(JSON.stringify([[...new Set(tokens)], (await service.getAccessToken()).fields]))
      `
      const outputs = await Promise.all([1, 2, 3].map(() => run(folder, storage, work)))
      for (const output of outputs) {
        assert.deepEqual(JSON.parse(output), [['token-hunter2'], { region: 'field-hunter2' }])
      }
      assert.deepEqual(calls(), ['login'])
      const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) =>
        file.isFile(),
      )
      assert.ok(files.length >= 2)
      for (const file of files) {
        assert.ok(!readFileSync(join(file.parentPath, file.name), 'latin1').includes('hunter2'), file.name)
      }
    })

    test('gets the refresh token that another process has stored', async (t) => {
      const { folder, storage } = useFolder(t)
      await run(folder, storage, `await initialize(() => ({ token: 't1', refreshToken: 'r1' })).getToken()`)
      const output = await run(
        folder,
        storage,
        `const service = initialize(({ reason, refreshToken }) => ({ token: [reason, refreshToken].join('-') }))
         console.log(await service.getToken())
         await service.refresh()
         console.log(await service.getToken(), service.status().strategy.format)`,
      )
      assert.equal(output, 't1\nforced-r1 function')
    })

    test('is called once by processes that wait for each other if it rejects the credentials', async (t) => {
      const { folder, storage, calls } = useFolder(t)
      const work = `
        const ready = () => readFileSync(${JSON.stringify(join(folder, 'ready'))}, 'utf8').length
        const service = initialize(async () => {
          called('login')
          while (ready() < 2) await sleep(20)
          await sleep(500)
          throw new TokenError('ERR_TOKEN_CREDENTIALS', 'wrong')
        })
        appendFileSync(${JSON.stringify(join(folder, 'ready'))}, '.')
        const first = await service.getToken().catch((error) => error)
        const second = await service.getToken().catch((error) => error)
        console.log(first.code, second.code, second.retryAfterSeconds > 30)
      `
      const outputs = await Promise.all([1, 2].map(() => run(folder, storage, work)))
      assert.deepEqual(outputs, Array(2).fill('ERR_TOKEN_CREDENTIALS ERR_TOKEN_CREDENTIALS true'))
      assert.deepEqual(calls(), ['login'])
      // The program may have other credentials after a restart.
      const output = await run(
        folder,
        storage,
        `console.log(await initialize(() => ({ token: 'abc' })).getToken())`,
      )
      assert.equal(output, 'abc')
    })
  })
}
