import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { freshName } from '../support/service.mjs'
import { products } from '../support/recipe-products.mjs'
import { readRecipes } from '../support/recipes.mjs'
import { startRecipeServer } from '../support/recipe-server.mjs'

const recipes = await readRecipes()

test('every recipe has a server to try it on, and every server a recipe', () => {
  assert.deepEqual(recipes.map(({ product }) => product).sort(), Object.keys(products).sort())
})

for (const { product, variants, answer } of recipes) {
  describe(product, () => {
    const spec = products[product]

    test("the response on the page has the shape of the server's response", async (t) => {
      const { config } = variants[0]
      const server = await startRecipeServer(t, spec, config)
      assert.deepEqual(shape(answer), shape(await server.firstAnswer()))
    })

    for (const { title, env, code, config } of variants) {
      test(`${title}: the login, the lifetime, and what follows it`, async (t) => {
        const server = await startRecipeServer(t, spec, config)
        const service = start(t, server, env, code)
        assert.deepEqual(await service.getAuthHeaders(), { Authorization: `Bearer ${server.issued.at(-1)}` })
        const { expiresInSeconds } = service.status()
        assert.ok(Math.abs(expiresInSeconds - spec.lifetime) <= 2, `${expiresInSeconds} s`)

        for (let turn = 0; turn < 2; turn += 1) {
          await service.refresh()
          assert.equal(await service.getToken(), server.issued.at(-1))
        }
        assert.deepEqual(server.kinds, ['login', ...Array(2).fill(spec.refresh ? 'refresh' : 'login')])

        if (!spec.refresh) return
        server.forgetRefreshTokens()
        await service.refresh()
        assert.deepEqual(server.kinds.slice(3), ['refused', 'login'])
      })

      test(`${title}: a wrong secret is sent once, or once by each method`, async (t) => {
        const wrong = config.password === undefined ? { clientSecret: 'wrong' } : { password: 'wrong' }
        const server = await startRecipeServer(t, spec, config, wrong)
        const service = start(t, server, env, { ...code, ...wrong })
        for (let call = 0; call < 2; call += 1) {
          await assert.rejects(service.getToken(), {
            code: 'ERR_TOKEN_CREDENTIALS',
            status: spec.refusal.status,
          })
        }
        const other =
          spec.refusal.body.error === 'invalid_client' && config.clientAuthentication === undefined
        assert.deepEqual(server.kinds, Array(other ? 2 : 1).fill('refused'))
      })
    }
  })
}

/** The service that the recipe makes, at the server that stands in for the product. */
function start(context, server, env, code) {
  const before = { ...process.env }
  Object.assign(process.env, server.relocated(env))
  try {
    const service = initializeTokenService({
      ...server.relocated(code),
      service: freshName(),
      storage: { kind: 'memory' },
      onFailure: 'throw',
    })
    context.after(() => service.shutdown())
    return service
  } finally {
    for (const name of Object.keys(env)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

/** A value with its scalars replaced by their types. */
function shape(value) {
  if (value === null || typeof value !== 'object') return typeof value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shape(item)]))
}
