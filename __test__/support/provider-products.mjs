// What the providers of docs/providers take and answer, from the documentation that the pages link to.

const hour = 3600

const bearer = (token) => ({ Authorization: `Bearer ${token}` })

/** RFC 6749 §5.1, with what a provider adds. */
const answer =
  (added = {}) =>
  ({ token, refreshToken }) => ({
    access_token: token,
    token_type: 'Bearer',
    expires_in: hour,
    ...(refreshToken && { refresh_token: refreshToken }),
    ...added,
  })

/** RFC 6749 §5.2 */
const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }
const invalidClient = { status: 401, body: { error: 'invalid_client' } }

/** A client that asks for itself. */
const machine = (path, client, product = {}) => ({
  path,
  client,
  form: { grant_type: 'client_credentials' },
  answer: answer(),
  header: bearer,
  lifetime: hour,
  refusal: invalidClient,
  ...product,
})

/** A client that acts for someone who consented. */
const consent = (path, client, product = {}) => ({
  path,
  client,
  isConsent: true,
  answer: answer(),
  header: bearer,
  lifetime: hour,
  refusal: invalidGrant,
  ...product,
})

const rotating = { rotates: true }

const salesforce = {
  // No `expires_in`; a date in milliseconds, as text.
  answer: ({ token, refreshToken }) => ({
    access_token: token,
    ...(refreshToken && { refresh_token: refreshToken }),
    signature: 'SSSbLO/gBhmmyNUvN18ODBDFYHzakxOMgqYtu+hDPsc=',
    scope: 'id api refresh_token',
    instance_url: 'https://example.my.salesforce.com',
    id: 'https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P',
    token_type: 'Bearer',
    issued_at: `${Date.now()}`,
  }),
  lifetime: 6000,
  fields: { instance_url: 'https://example.my.salesforce.com' },
}

const shopify = {
  header: (token) => ({ 'X-Shopify-Access-Token': token }),
  answer: ({ token, refreshToken }) => ({
    access_token: token,
    scope: 'read_products,write_products',
    expires_in: refreshToken ? hour : 86_399,
    ...(refreshToken && { refresh_token: refreshToken, refresh_token_expires_in: 7_776_000 }),
  }),
}

/**
 * By the name of the section: `client` is how the client authenticates (`basic`, `body`, `key`, or `secret-key` for
 * a user name without a password), `form` the other fields of the request, `headers` what it must also have,
 * `header` what the API takes, `lifetime` how long a token lasts in seconds, `refusal` what is answered when the
 * credential is wrong (and `refusalCode` the error, if evertoken does not recognize that). With `isConsent`, the form is a refresh token, which `rotates` or stays.
 */
export const products = {
  // google.md, microsoft.md
  Google: consent('/token', 'body', { answer: answer({ scope: 'https://mail.google.com/' }) }),
  'Microsoft Graph': consent('/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/oauth2/v2.0/token', 'body', {
    ...rotating,
    answer: answer({ expires_in: 4500, ext_expires_in: 4500, scope: 'User.Read Mail.Read' }),
    lifetime: 4500,
    refusal: { status: 400, body: { error: 'invalid_grant', error_codes: [700_082] } },
  }),

  // crm-and-accounting.md
  'Salesforce with a secret': machine('/services/oauth2/token', 'body', salesforce),
  Salesforce: consent('/services/oauth2/token', 'body', { ...rotating, ...salesforce }),
  HubSpot: consent('/oauth/2026-03/token', 'body', {
    answer: answer({
      expires_in: 1800,
      token_type: 'bearer',
      refresh_token: 'the HUBSPOT_REFRESH_TOKEN: 100%+',
      hub_id: 123,
    }),
    lifetime: 1800,
    refusal: {
      status: 400,
      body: {
        error: 'invalid_grant',
        error_description: 'refresh token is invalid, expired or revoked',
        status: 'BAD_REFRESH_TOKEN',
        message: 'refresh token is invalid, expired or revoked',
      },
    },
  }),
  Xero: consent('/connect/token', 'basic', {
    ...rotating,
    answer: answer({ expires_in: 1800, id_token: 'xyz', scope: 'offline_access' }),
    lifetime: 1800,
  }),
  'QuickBooks Online': consent('/oauth2/v1/tokens/bearer', 'basic', {
    ...rotating,
    answer: answer({ token_type: 'bearer', x_refresh_token_expires_in: 8_726_400 }),
    consentLasts: 8_726_400,
  }),
  Zoho: consent('/oauth/v2/token', 'body', {
    answer: answer({ api_domain: 'https://www.zohoapis.eu' }),
    header: (token) => ({ Authorization: `Zoho-oauthtoken ${token}` }),
    fields: { api_domain: 'https://www.zohoapis.eu' },
    refusal: { status: 200, body: { error: 'invalid_code' } },
    refusalCode: 'ERR_TOKEN_RESPONSE',
  }),

  // commerce-and-shipping.md
  'Shopify, your own store': machine('/admin/oauth/access_token', 'body', { ...shopify, lifetime: 86_399 }),
  Shopify: consent('/admin/oauth/access_token', 'body', {
    ...rotating,
    ...shopify,
    consentLasts: 7_776_000,
  }),
  PayPal: machine('/v1/oauth2/token', 'basic', {
    answer: answer({
      scope:
        'https://uri.paypal.com/services/invoicing https://uri.paypal.com/services/applications/webhooks',
      app_id: 'APP-80W284485P519543T',
      nonce: '2020-04-03T15:35:36ZaYZlGvEkV4yVSz8g6bAKFoGSEzuy3CQcz3ljhibkOHg',
      expires_in: 31_668,
    }),
    lifetime: 31_668,
  }),
  'Stripe Connect': consent('/v1/oauth/token', 'secret-key', {
    ...rotating,
    isFunction: true,
    seed: 'the STRIPE_REFRESH_TOKEN: 100%+',
    answer: answer({
      expires_in: undefined,
      token_type: 'bearer',
      stripe_user_id: 'acct_1',
      scope: 'stripe_apps',
    }),
  }),
  eBay: machine('/identity/v1/oauth2/token', 'basic', {
    form: { grant_type: 'client_credentials', scope: 'https://api.ebay.com/oauth/api_scope' },
    answer: answer({ token_type: 'Application Access Token', expires_in: 7200 }),
    lifetime: 7200,
  }),
  'eBay, for a seller': consent('/identity/v1/oauth2/token', 'basic', {
    answer: answer({ token_type: 'User Access Token', expires_in: 7200 }),
    lifetime: 7200,
  }),
  Amadeus: machine('/v1/security/oauth2/token', 'body', {
    answer: answer({
      type: 'amadeusOAuth2Token',
      username: 'robot@example.com',
      application_name: 'orders',
      state: 'approved',
      scope: '',
      expires_in: 1799,
    }),
    lifetime: 1799,
  }),
  UPS: machine('/security/v1/oauth/token', 'basic', {
    headers: { 'x-merchant-id': '123456' },
    answer: ({ token }) => ({
      token_type: 'Bearer',
      issued_at: `${Date.now()}`,
      client_id: 'orders',
      access_token: token,
      scope: '',
      expires_in: '14399',
      refresh_count: '0',
      status: 'approved',
    }),
    lifetime: 14_399,
    refusal: {
      status: 401,
      body: { response: { errors: [{ code: '10401', message: 'ClientId is Invalid' }] } },
    },
  }),
  FedEx: machine('/oauth/token', 'body', {
    answer: answer({ token_type: 'bearer', expires_in: 3599, scope: 'CXS-TP' }),
    lifetime: 3599,
    refusal: {
      status: 401,
      body: {
        errors: [{ code: 'NOT.AUTHORIZED.ERROR', message: 'The given client credentials were not valid.' }],
      },
    },
  }),

  // collaboration-and-media.md
  'Zoom, server to server': machine('/oauth/token', 'basic', {
    form: { grant_type: 'account_credentials', account_id: 'gYz8S9w5Q5yrDoIvmdClYw' },
    answer: answer({ token_type: 'bearer', scope: 'user:read:admin', api_url: 'https://api.zoom.us' }),
    refusal: { status: 400, body: { reason: 'Invalid client_id or client_secret', error: 'invalid_client' } },
  }),
  Zoom: consent('/oauth/token', 'basic', {
    ...rotating,
    answer: answer({ token_type: 'bearer', scope: 'user:read' }),
    refusal: { status: 400, body: { reason: 'Invalid Token!', error: 'invalid_grant' } },
  }),
  Slack: consent('/api/oauth.v2.access', 'body', {
    ...rotating,
    answer: answer({
      ok: true,
      app_id: 'A1',
      scope: 'commands,incoming-webhook',
      token_type: 'bot',
      bot_user_id: 'U1',
      team: { name: 'Slack', id: 'T1' },
      enterprise: null,
      expires_in: 43_200,
    }),
    lifetime: 43_200,
    refusal: { status: 200, body: { ok: false, error: 'invalid_refresh_token' } },
    refusalCode: 'ERR_TOKEN_RESPONSE',
  }),
  'GitHub Apps': consent('/login/oauth/access_token', 'body', {
    ...rotating,
    headers: { accept: 'application/json' },
    answer: answer({
      token_type: 'bearer',
      scope: '',
      expires_in: 28_800,
      refresh_token_expires_in: 15_811_200,
    }),
    lifetime: 28_800,
    consentLasts: 15_811_200,
    refusal: {
      status: 200,
      body: {
        error: 'bad_refresh_token',
        error_description: 'The refresh token passed is incorrect or expired.',
      },
    },
    refusalCode: 'ERR_TOKEN_RESPONSE',
  }),
  Spotify: machine('/api/token', 'basic'),
  'Spotify, for a listener': consent('/api/token', 'basic', { answer: answer({ scope: 'user-read-email' }) }),
  Twitch: machine('/oauth2/token', 'body', {
    answer: answer({ token_type: 'bearer', expires_in: 5_011_271 }),
    lifetime: 5_011_271,
    refusal: { status: 403, body: { status: 403, message: 'invalid client secret' } },
  }),
  'Twitch, for a user': consent('/oauth2/token', 'body', {
    ...rotating,
    answer: answer({ token_type: 'bearer', expires_in: 14_124, scope: ['channel:moderate', 'chat:read'] }),
    lifetime: 14_124,
    refusal: { status: 400, body: { error: 'Bad Request', status: 400, message: 'Invalid refresh token' } },
  }),

  // storage-and-documents.md
  Dropbox: consent('/oauth2/token', 'basic', {
    answer: answer({ token_type: 'bearer', expires_in: 14_400 }),
    lifetime: 14_400,
  }),
  'Box with a secret': machine('/oauth2/token', 'body', {
    form: { grant_type: 'client_credentials', box_subject_type: 'enterprise', box_subject_id: '638106' },
    answer: answer({
      expires_in: 4123,
      token_type: undefined,
      restricted_to: [],
      issued_token_type: 'bearer',
    }),
    lifetime: 4123,
    refusal: {
      status: 400,
      body: { error: 'invalid_client', error_description: 'The client credentials are invalid' },
    },
  }),
  Box: consent('/oauth2/token', 'body', {
    ...rotating,
    answer: answer({ token_type: 'bearer', restricted_to: [] }),
    refusal: {
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Refresh token has expired' },
    },
  }),
  DocuSign: consent('/oauth/token', 'basic', {
    ...rotating,
    answer: answer({ expires_in: 28_800 }),
    lifetime: 28_800,
  }),

  // identity.md
  'Amazon Cognito': machine('/oauth2/token', 'basic', {
    form: { grant_type: 'client_credentials', scope: 'orders/read' },
    refusal: { status: 400, body: { error: 'invalid_client' } },
  }),
  'A consent at an identity provider': consent('/oauth2/token', 'basic', {
    answer: answer({ id_token: 'xyz', scope: 'openid offline_access' }),
  }),
  'SMART on FHIR': machine('/oauth2/token', 'key', {
    form: { grant_type: 'client_credentials', scope: 'system/*.rs' },
    answer: answer({ token_type: 'bearer', expires_in: 300, scope: 'system/*.rs' }),
    lifetime: 300,
  }),
}
