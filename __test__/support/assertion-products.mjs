// What the products of docs/assertions.md require of a token request, as their documentation says.

import assert from 'node:assert/strict'

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const clientAssertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** The lifetime of an assertion, which a product limits. */
const lifetime = ({ iat, exp }) => exp - iat

/**
 * By the title of the recipe: what a request must be. `verify` checks a signature by the product's public key, and
 * returns the header and the claims; `environment` names a variable's value in the recipe.
 */
export const products = {
  'Google service accounts': {
    alg: 'RS256',
    account: true,
    async check({ form, verify, origin }) {
      // "Parameter not allowed for this message type" answers anything else.
      assert.deepEqual(Object.keys(form).sort(), ['assertion', 'grant_type'])
      assert.equal(form.grant_type, jwtBearer)
      const { header, claims } = await verify(form.assertion)
      assert.equal(header.kid, 'the key of the account')
      assert.equal(claims.iss, 'robot@project.iam.gserviceaccount.com')
      assert.equal(claims.aud, `${origin}/token`)
      assert.equal(claims.scope, 'https://www.googleapis.com/auth/cloud-platform')
      assert.equal(claims.sub, undefined)
      assert.ok(lifetime(claims) > 0 && lifetime(claims) <= 3600)
    },
    answer: { access_token: 'ya29.token', expires_in: 3599, token_type: 'Bearer' },
  },
  Salesforce: {
    alg: 'RS256',
    async check({ form, verify, value }) {
      assert.deepEqual(Object.keys(form).sort(), ['assertion', 'grant_type'])
      assert.equal(form.grant_type, jwtBearer)
      const { claims } = await verify(form.assertion)
      assert.equal(claims.iss, value('SALESFORCE_CONSUMER_KEY'))
      assert.equal(claims.sub, 'integration@example.com')
      assert.equal(claims.aud, 'https://login.salesforce.com')
      assert.equal(claims.scope, undefined)
      assert.ok(lifetime(claims) <= 180)
    },
    answer: {
      access_token: '00D!token',
      scope: 'web api',
      instance_url: 'https://one.my.salesforce.com',
      id: 'https://login.salesforce.com/id/00D/005',
      token_type: 'Bearer',
    },
  },
  DocuSign: {
    alg: 'RS256',
    async check({ form, verify, value }) {
      assert.deepEqual(Object.keys(form).sort(), ['assertion', 'grant_type'])
      assert.equal(form.grant_type, jwtBearer)
      const { claims } = await verify(form.assertion)
      assert.equal(claims.iss, value('DOCUSIGN_INTEGRATION_KEY'))
      assert.equal(claims.sub, value('DOCUSIGN_USER_ID'))
      assert.equal(claims.aud, 'account-d.docusign.com')
      assert.equal(claims.scope, 'signature impersonation')
      assert.ok(lifetime(claims) <= 3600)
    },
    answer: { access_token: 'docusign-token', token_type: 'Bearer', expires_in: 3600, scope: 'signature' },
  },
  Box: {
    alg: 'RS256',
    async check({ form, verify, value, origin }) {
      assert.deepEqual(
        [form.grant_type, form.client_id, form.client_secret],
        [jwtBearer, value('BOX_CLIENT_ID'), value('BOX_CLIENT_SECRET')],
      )
      const { header, claims } = await verify(form.assertion)
      assert.equal(header.kid, value('BOX_PUBLIC_KEY_ID'))
      assert.equal(claims.iss, value('BOX_CLIENT_ID'))
      assert.equal(claims.sub, value('BOX_ENTERPRISE_ID'))
      assert.equal(claims.box_sub_type, 'enterprise')
      assert.equal(claims.aud, `${origin}/oauth2/token`)
      assert.ok(claims.jti.length >= 16 && claims.jti.length <= 128)
      assert.ok(lifetime(claims) <= 60)
    },
    answer: { access_token: 'box-token', expires_in: 4169, restricted_to: [], token_type: 'bearer' },
  },
  'GitHub Apps': {
    alg: 'RS256',
    async check({ path, headers, body, verify, value }) {
      assert.equal(path, '/app/installations/123456/access_tokens')
      assert.equal(body, '')
      // GitHub refuses a request without one.
      assert.equal(headers['user-agent'], 'my-app')
      const { claims } = await verify(/^Bearer (\S+)$/.exec(headers.authorization)[1])
      assert.equal(claims.iss, value('GITHUB_APP_CLIENT_ID'))
      assert.ok(lifetime(claims) <= 600)
      assert.deepEqual(Object.keys(claims).sort(), ['exp', 'iat', 'iss', 'jti'])
    },
    answer: {
      status: 201,
      token: 'ghs_token',
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      permissions: { contents: 'read' },
      repository_selection: 'all',
    },
  },
  'Entra ID with a certificate': {
    alg: 'PS256',
    async check({ form, verify, value, origin, thumbprints }) {
      assert.deepEqual(
        [form.grant_type, form.client_id, form.client_assertion_type, form.scope],
        [
          'client_credentials',
          value('AZURE_CLIENT_ID'),
          clientAssertion,
          'https://graph.microsoft.com/.default',
        ],
      )
      const { header, claims } = await verify(form.client_assertion)
      assert.deepEqual(
        [header.typ, header.x5t, header['x5t#S256']],
        ['JWT', thumbprints.sha1, thumbprints.sha256],
      )
      assert.equal(claims.iss, value('AZURE_CLIENT_ID'))
      assert.equal(claims.sub, value('AZURE_CLIENT_ID'))
      assert.equal(claims.aud, `${origin}/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token`)
      assert.ok(claims.jti)
    },
    answer: { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: 'entra-token' },
  },
  'Entra ID with workload identity': {
    alg: 'RS256',
    platform: 'AZURE_FEDERATED_TOKEN_FILE',
    async check({ form, verify, value }) {
      assert.deepEqual(
        [form.grant_type, form.client_id, form.client_assertion_type, form.scope],
        [
          'client_credentials',
          value('AZURE_CLIENT_ID'),
          clientAssertion,
          'https://graph.microsoft.com/.default',
        ],
      )
      const { claims } = await verify(form.client_assertion)
      assert.equal(claims.sub, 'system:default:reports')
    },
    answer: { token_type: 'Bearer', expires_in: 3599, access_token: 'entra-token' },
  },
  'Kubernetes service accounts': {
    alg: 'RS256',
    issuer: '/realms/main',
    platform: '/var/run/secrets/tokens/reports',
    async check({ form, verify }) {
      assert.deepEqual(
        [form.grant_type, form.client_id, form.client_assertion_type],
        ['client_credentials', 'reports', clientAssertion],
      )
      const { claims } = await verify(form.client_assertion)
      assert.equal(claims.sub, 'system:default:reports')
    },
    answer: { token_type: 'Bearer', expires_in: 300, access_token: 'keycloak-token' },
  },
  'Google Cloud with workload identity federation': {
    alg: 'RS256',
    platform: '/var/run/secrets/tokens/gcp',
    async check({ form, verify }) {
      const { subject_token: subjectToken, ...rest } = form
      assert.deepEqual(rest, {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        audience:
          '//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/cluster',
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      })
      const { claims } = await verify(subjectToken)
      assert.equal(claims.sub, 'system:default:reports')
    },
    answer: {
      access_token: 'ya29.federated',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3599,
    },
  },
}
