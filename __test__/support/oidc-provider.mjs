// A token server from outside this project: oidc-provider, with refresh rotation, resource indicators,
// introspection, revocation and DPoP.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as jose from 'jose'
import Provider, { errors } from 'oidc-provider'

/** The account of the password grant. */
export const account = { username: 'zoë@example.com', password: 'pä ss+w:o%rd&=' }

/** The protected resource (RFC 8707) that the server knows, and all URLs that start with it; its tokens are JWTs. */
export const resource = 'https://orders.example.com/api?v=1+2'

/** The clients, each with what `TokenServiceConfig` calls it. */
const secrets = {
  // Everything that RFC 6749 §2.3.1 has to encode and appendix A.1 lets in: visible ASCII.
  machine: { clientId: 'the machine: 100%+', clientSecret: 'a secret: with+50% of (everything) & more=/?~' },
  person: { clientId: 'person', clientSecret: randomBytes(24).toString('base64url') },
  inspector: { clientId: 'inspector', clientSecret: randomBytes(24).toString('base64url') },
}

/**
 * Starts the server on a free port.
 *
 * @param {object} [options]
 * @param {number} [options.lifetimeSeconds] how long access tokens live
 * @param {object[]} [options.clients] clients besides those in `secrets`, in oidc-provider's own terms
 * @param {boolean} [options.requireNonce] whether a DPoP proof needs a nonce (RFC 9449 §8 and §9)
 * @param {boolean} [options.hasPages] whether a user can sign in and consent, also for a device code (RFC 8628)
 */
export async function startOidcProvider({
  lifetimeSeconds = 3600,
  clients = [],
  requireNonce = false,
  hasPages = false,
} = {}) {
  let handle
  const server = createServer((request, response) => handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${server.address().port}`

  const { privateKey, publicKey } = await jose.generateKeyPair('RS256', { extractable: true })
  const key = { ...(await jose.exportJWK(privateKey)), kid: 'the key', alg: 'RS256', use: 'sig' }
  const provider = new Provider(origin, {
    clients: [
      client(secrets.machine, ['client_credentials'], 'orders:read orders:write'),
      client(secrets.person, ['password', 'refresh_token'], 'openid offline_access'),
      client(secrets.inspector, ['client_credentials'], ''),
      ...clients,
    ],
    scopes: ['openid', 'offline_access', 'orders:read', 'orders:write'],
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'none',
    ],
    enabledJWA: {
      clientAuthSigningAlgValues: [
        ...['HS256', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
        ...['ES256', 'ES384', 'EdDSA', 'Ed25519'],
      ],
    },
    cookies: { keys: [randomBytes(24).toString('base64url')] },
    jwks: { keys: [key] },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: lifetimeSeconds,
      ClientCredentials: lifetimeSeconds,
      IdToken: 60,
      RefreshToken: 86_400,
      Grant: 86_400,
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: hasPages },
      deviceFlow: { enabled: hasPages },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => client.clientId === token.clientId },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => requireNonce },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo(_, indicator) {
          if (!indicator.startsWith(resource)) throw new errors.InvalidTarget()
          return {
            scope: 'orders:read orders:write',
            audience: indicator,
            accessTokenTTL: lifetimeSeconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }
        },
      },
    },
  })
  provider.registerGrantType('password', handlePassword, ['username', 'password', 'scope'])

  const log = { requests: [], refusals: [], failures: [], spent: [], revoked: 0 }
  provider.use(async (context, next) => {
    await next()
    const { method, path, status, oidc } = context
    if (method === 'POST') log.requests.push({ path, status, grant: oidc?.params?.grant_type })
  })
  provider.on('grant.error', (_, error) => log.refusals.push(error.message))
  provider.on('server_error', (_, error) => log.failures.push(error))
  provider.on('refresh_token.consumed', (token) => log.spent.push(token.jti))
  provider.on('grant.revoked', () => (log.revoked += 1))
  handle = provider.callback()

  return {
    origin,
    tokenEndpoint: `${origin}/token`,
    revocationEndpoint: `${origin}/token/revocation`,
    /** A resource that takes access tokens with the scope `openid`, bearer or bound. */
    userinfoEndpoint: `${origin}/me`,
    ...secrets,
    /** Verifies what the server signs for this audience. */
    verify: (token, audience) => jose.jwtVerify(token, publicKey, { audience, issuer: origin }),
    /** POSTs so far, refused grants, failures of the server, refresh tokens spent, grants revoked. */
    log,
    /** Token requests so far, by the grant they ask for. */
    grants: () => log.requests.filter(({ path }) => path === '/token').map(({ grant }) => grant),
    /** What the server says of a token (RFC 7662). */
    async introspect(token) {
      const { clientId, clientSecret } = secrets.inspector
      const body = new URLSearchParams({ token, client_id: clientId, client_secret: clientSecret })
      return (await fetch(`${origin}/token/introspection`, { method: 'POST', body })).json()
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A server that ends with the test. */
export async function oidcProviderFor(context, options) {
  const server = await startOidcProvider(options)
  context.after(() => server.close())
  return server
}

/** The configuration of the password grant at this server, with a refresh token. */
export const passwordGrant = (server, config) => ({
  authUrl: server.tokenEndpoint,
  grant: 'password',
  ...server.person,
  ...account,
  scope: 'openid offline_access',
  ...config,
})

function client({ clientId, clientSecret }, grantTypes, scope) {
  return {
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: grantTypes,
    redirect_uris: [],
    response_types: [],
    ...(scope && { scope }),
  }
}

/** The password grant (RFC 6749 §4.3), which oidc-provider leaves to its users. */
async function handlePassword(context) {
  const { client, params, provider } = context.oidc
  if (params.username !== account.username || params.password !== account.password) {
    throw new errors.InvalidGrant('the account is not known by this name and password')
  }
  const grant = new provider.Grant({ accountId: account.username, clientId: client.clientId })
  grant.addOIDCScope(params.scope)
  const grantId = await grant.save()
  const common = { accountId: account.username, client, grantId, gty: 'password', scope: params.scope }
  const accessToken = new provider.AccessToken(common)
  const proof = context.get('DPoP')
  if (proof) {
    const { protectedHeader } = await jose.jwtVerify(proof, jose.EmbeddedJWK)
    accessToken.setThumbprint('jkt', await jose.calculateJwkThumbprint(protectedHeader.jwk))
  }
  const isOffline = params.scope?.split(' ').includes('offline_access')
  context.body = {
    access_token: await accessToken.save(),
    expires_in: accessToken.expiration,
    token_type: accessToken.tokenType,
    scope: params.scope,
    refresh_token: isOffline ? await new provider.RefreshToken(common).save() : undefined,
  }
}
