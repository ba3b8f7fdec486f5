// @azure/msal-node, client credentials, its default five-minute renewal offset. It takes no http authority, so the
// authority is an https name that exists nowhere and the network client, a documented extension point, sends to
// the local server; endpoint metadata is given, so that no discovery is counted.
const { ConfidentialClientApplication } = require('@azure/msal-node')

const HOST = 'login.bench.invalid'
const AUTHORITY = `https://${HOST}/tenant`

/** The function that resolves with headers. `cache` is the part of MSAL's configuration with this name. */
exports.msalClient = (tokenUrl, clientId, cache) => {
  const application = new ConfidentialClientApplication({
    auth: {
      clientId,
      clientSecret: 'secret',
      authority: AUTHORITY,
      knownAuthorities: [HOST],
      authorityMetadata: JSON.stringify({
        issuer: AUTHORITY,
        authorization_endpoint: `${AUTHORITY}/authorize`,
        token_endpoint: `${AUTHORITY}/token`,
        jwks_uri: `${AUTHORITY}/keys`,
      }),
    },
    cache,
    system: { networkClient: localNetwork(tokenUrl) },
  })
  const request = { scopes: ['api/.default'] }
  return async () => {
    const { accessToken } = await application.acquireTokenByClientCredential(request)
    return { Authorization: `Bearer ${accessToken}` }
  }
}

function localNetwork(tokenUrl) {
  const send = async (method, options) => {
    const response = await fetch(tokenUrl, { method, headers: options?.headers, body: options?.body })
    return {
      headers: Object.fromEntries(response.headers),
      body: await response.json(),
      status: response.status,
    }
  }
  return {
    sendGetRequestAsync: (_url, options) => send('GET', options),
    sendPostRequestAsync: (_url, options) => send('POST', options),
  }
}
