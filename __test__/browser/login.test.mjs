// `evertoken login` at oidc-provider: a user signs in and consents in Chromium.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encryptionKey, startLogin } from '../support/authorization-server.mjs'
import { assertAccessible } from '../support/axe.mjs'
import { noBrowser, openPage, startBrowser } from '../support/browser.mjs'
import { evertoken, folderFor } from '../support/cli.mjs'
import { oidcProviderFor } from '../support/oidc-provider.mjs'

const secret = 'a secret: with+50% of (everything) & more=/?~'
const native = {
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  response_types: ['code'],
}
const grant_types = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code']
const clients = [
  { client_id: 'the app', client_secret: secret, ...native, grant_types },
  {
    client_id: 'posting',
    client_secret: secret,
    token_endpoint_auth_method: 'client_secret_post',
    ...native,
    grant_types,
  },
  { client_id: 'public', token_endpoint_auth_method: 'none', ...native, grant_types },
  {
    client_id: 'exact',
    client_secret: secret,
    application_type: 'web',
    redirect_uris: ['https://unused.example.com/'],
    grant_types,
    response_types: ['code'],
  },
]

describe('evertoken login', () => {
  describe('in a browser', { skip: noBrowser }, () => {
    let browser
    before(async () => (browser = await startBrowser()))
    after(() => browser?.close())

    async function setUp(t, args, env = {}) {
      const server = await oidcProviderFor(t, { clients, hasPages: true })
      const folder = folderFor(t)
      const where = {
        folder,
        env: {
          OAUTH_ISSUER: server.origin,
          OAUTH_CLIENT_ID: 'the app',
          OAUTH_CLIENT_SECRET: secret,
          OAUTH_SCOPE: 'openid offline_access',
          OAUTH_GRANT: 'refresh_token',
          TOKEN_ENCRYPTION_KEY: encryptionKey,
          ...env,
        },
      }
      const page = await openPage(browser)
      t.after(() => page.context().close())
      // The provider's pages load a font from elsewhere.
      await page.context().route(/^https:/, (route) => route.abort())
      return {
        server,
        page,
        login: startLogin(t, [...args, '--param', 'prompt=consent'], where),
        call: (...words) => evertoken(words, where),
      }
    }

    async function signIn(page) {
      await page.getByPlaceholder('Enter any login').fill('zoë')
      await page.getByPlaceholder('and password').fill('anything')
      await page.getByRole('button', { name: 'Sign-in' }).click()
    }

    const consent = (page) => page.getByRole('button', { name: 'Continue' }).click()

    /** In a copy, because the page itself runs no script but its own. */
    async function assertPageAccessible(page) {
      const copy = await page.context().newPage()
      await copy.setContent(await page.content())
      await assertAccessible(copy, 'html')
    }

    /** The tokens are stored, renew themselves, and are nowhere in what was printed. */
    async function assertStored({ server, login, call }) {
      const { status, stdout, stderr } = await login.end()
      assert.deepEqual(
        [status, stdout],
        [0, 'external_api: the tokens are stored (file, ./data/token-cache.json).\n'],
      )
      assert.ok(!stderr.includes(secret))
      const shown = JSON.parse((await call('status', '--json')).stdout)
      assert.deepEqual([shown.state, shown.storage.encrypted], ['valid', true])
      for (const spent of [1, 2]) {
        assert.equal((await call('refresh')).status, 0)
        assert.equal(server.log.spent.length, spent, 'each refresh spends the rotated token')
      }
      assert.deepEqual(
        server.log.refusals.filter((message) => !/authorization_pending|pending/.test(message)),
        [],
      )
    }

    for (const [client, env] of [
      ['a client with client_secret_basic', {}],
      ['a client with client_secret_post', { OAUTH_CLIENT_ID: 'posting' }],
      [
        'a public client',
        {
          OAUTH_CLIENT_ID: 'public',
          OAUTH_CLIENT_SECRET: '',
        },
      ],
    ]) {
      it(`obtains tokens for ${client}`, async (t) => {
        const run = await setUp(t, ['--no-browser'], env)
        const { page } = run
        const { url, redirectUri } = await run.login.authorizationRequest()
        await page.goto(url.href)
        await signIn(page)
        await consent(page)
        await page.getByRole('heading', { name: 'You can close this window' }).waitFor()
        assert.equal(page.url(), redirectUri.href, 'the address bar has no code')
        assert.deepEqual(
          page.troubles.filter((trouble) => /Content Security Policy/.test(trouble)),
          [],
        )
        await assertPageAccessible(page)
        await assertStored(run)
      })
    }

    it('says that the user declined', async (t) => {
      const { page, login } = await setUp(t, ['--no-browser'])
      const { url } = await login.authorizationRequest()
      await page.goto(url.href)
      await page.getByRole('link', { name: 'Cancel' }).click()
      await page.getByRole('heading', { name: 'The login has failed' }).waitFor()
      const { status, stderr } = await login.end()
      assert.equal(status, 1)
      assert.match(stderr, /access was denied[\s\S]+The server said: access_denied/)
    })

    it('shows what the server says of a redirect URI that it does not know', async (t) => {
      const { page, login } = await setUp(t, ['--no-browser'], { OAUTH_CLIENT_ID: 'exact' })
      const { url } = await login.authorizationRequest()
      await page.goto(url.href)
      assert.match(await page.locator('body').textContent(), /redirect_uri/)
      login.child.kill('SIGINT')
      assert.equal((await login.end()).status, 130)
    })

    for (const how of ['enters the code', 'opens the URL with the code']) {
      it(`obtains tokens for a device whose user ${how}`, async (t) => {
        const run = await setUp(t, ['--device'])
        const { page, login } = run
        const [, uri, code] = await login.printed(/Open (\S+) on any device\nand enter the code (\S+)\n/)
        const [, complete] = await login.printed(/\nor open (\S+) and/)
        await page.goto(how === 'enters the code' ? uri : complete)
        if (how === 'enters the code') {
          await page.getByPlaceholder('Enter code').fill(code)
          await page.getByRole('button', { name: 'Continue' }).click()
        }
        await page.getByRole('button', { name: /Continue/ }).click()
        await signIn(page)
        await consent(page)
        await page.getByText(/sign-in (was )?success/i).waitFor()
        await assertStored(run)
      })
    }

    it('says that the user of a device declined', async (t) => {
      const { page, login } = await setUp(t, ['--device'])
      const [, complete] = await login.printed(/\nor open (\S+) and/)
      await page.goto(complete)
      await page.getByRole('button', { name: /Abort|Cancel/ }).click()
      const { status, stderr } = await login.end()
      assert.equal(status, 1)
      assert.match(stderr, /access was denied/)
    })
  })
})
