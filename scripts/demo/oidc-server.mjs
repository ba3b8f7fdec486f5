// A real OAuth server from outside this project: oidc-provider, with client credentials and short-lived JWTs.
import { randomBytes, randomUUID } from 'node:crypto'
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import Provider from 'oidc-provider'
import { listen } from './listen.mjs'

const audience = 'urn:demo:orders'
const scope = 'orders:read'

/** Starts it on a free port. `environment` is what evertoken needs, `verify` checks a token as an API does. */
export async function startOidcServer({ lifetimeSeconds, say }) {
  let handle
  const { origin, stop } = await listen((request, response) => handle(request, response))
  const client = { client_id: 'orders-app', client_secret: randomBytes(24).toString('base64url') }
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })

  const provider = new Provider(origin, {
    clients: [
      {
        ...client,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        scope,
      },
    ],
    scopes: [scope],
    cookies: { keys: [randomBytes(24).toString('base64url')] },
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'RS256', use: 'sig' }] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      // Without it the tokens would be opaque, and the API would have to ask about each.
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope,
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: lifetimeSeconds,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  })
  provider.on('grant.success', () => say('the token server issued a token'))
  provider.on('grant.error', (_, error) => say(`the token server refused: ${error.message}`))
  provider.on('server_error', (_, error) => say(`the token server failed: ${error.message}`))
  handle = provider.callback()

  const keys = createRemoteJWKSet(new URL(`${origin}/jwks`))
  return {
    description: `${origin} (oidc-provider, client credentials)`,
    environment: {
      EXTERNAL_AUTH_URL: `${origin}/token`,
      OAUTH_CLIENT_ID: client.client_id,
      OAUTH_CLIENT_SECRET: client.client_secret,
      OAUTH_SCOPE: scope,
    },
    verify: (token) =>
      jwtVerify(token, keys, { issuer: origin, audience, algorithms: ['RS256'], requiredClaims: ['exp'] }),
    stop,
  }
}
