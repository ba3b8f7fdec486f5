import type { TokenServiceConfig } from '../../index'

/** The log levels, from the one that says least to the one that says most. */
export const logLevels = ['error', 'warn', 'info', 'debug', 'trace'] as const
export const logFormats = ['text', 'json'] as const

/** An environment variable that evertoken reads. */
export interface EnvVariable {
  readonly name: string
  /** The field of the configuration that it sets; `null` where it sets none. */
  readonly field: keyof TokenServiceConfig | null
  /**
   * How its text is read: as it is; without the blanks around it; as form text; as a list with commas; as the name of a
   * storage; as the path of a file that is read later; as one of several words.
   */
  readonly kind: 'text' | 'trimmed' | 'form' | 'list' | 'storage' | 'path' | 'word'
  /** Whether it can hold a secret. */
  readonly isSecret: boolean
  /** Set for a secret that may also be in a file, which the variable of {@link fileVariable} names. */
  readonly hasFile?: true
  /** What applies while it is not set; `null` where that is nothing. */
  readonly default: string | null
  /** What it is for, in Markdown. */
  readonly description: string
  /** Set for what `.env.example` lists: the comment above the variable, empty for a variable that needs none. */
  readonly example?: string
}

/**
 * All environment variables of evertoken, besides those of the network (`binding/network-variables.ts`). The tables in
 * README.md and the docs, the `.env.example` that `init` writes, and the advice of `doctor` come from here.
 */
export const envTable = [
  {
    name: 'EXTERNAL_AUTH_URL',
    field: 'authUrl',
    kind: 'text',
    isSecret: true,
    default: null,
    description: 'a token endpoint, a login endpoint, or an origin without a path',
    example: 'Where the credentials go: a token endpoint, a login endpoint, or an origin without a path',
  },
  {
    name: 'OAUTH_ISSUER',
    field: 'issuer',
    kind: 'text',
    isSecret: false,
    default: null,
    description:
      'instead of `authUrl`: the issuer whose metadata names the endpoints (OpenID Connect Discovery, RFC 8414)',
  },
  {
    name: 'OAUTH_CLIENT_ID',
    field: 'clientId',
    kind: 'text',
    isSecret: false,
    default: null,
    description: 'the client ID, for client credentials',
    example: 'Either OAuth2 client credentials',
  },
  {
    name: 'OAUTH_CLIENT_SECRET',
    field: 'clientSecret',
    kind: 'text',
    isSecret: true,
    hasFile: true,
    default: null,
    description: 'the client secret',
    example: '',
  },
  {
    name: 'OAUTH_PRIVATE_KEY',
    field: 'privateKey',
    kind: 'text',
    isSecret: true,
    hasFile: true,
    default: null,
    description:
      'instead of a client secret: PEM, a JWK, the JSON of a Google service account, or the path of such a file ([RFC 7523](https://www.rfc-editor.org/rfc/rfc7523))',
  },
  {
    name: 'OAUTH_CLIENT_ASSERTION_FILE',
    field: 'clientAssertion',
    kind: 'path',
    isSecret: false,
    default: null,
    description:
      'instead of a client secret: the path of an assertion (a JWT) that a platform makes and renews, for example Kubernetes',
  },
  {
    name: 'OAUTH_GRANT',
    field: 'grant',
    kind: 'trimmed',
    isSecret: false,
    default: null,
    description:
      '`client_credentials`, `password`, `login`, `jwt_bearer`, `token_exchange`, or `refresh_token` for the consent that `evertoken login` obtains; if unset, the credentials decide',
  },
  {
    name: 'OAUTH_REFRESH_TOKEN',
    field: 'refreshToken',
    kind: 'text',
    isSecret: true,
    default: null,
    description: 'a refresh token that someone’s consent brought; see [consent](docs/consent.md)',
  },
  {
    name: 'OAUTH_SCOPE',
    field: 'scope',
    kind: 'text',
    isSecret: false,
    default: null,
    description: 'what the token may be used for: words separated by single spaces',
  },
  {
    name: 'OAUTH_AUDIENCE',
    field: 'audience',
    kind: 'text',
    isSecret: false,
    default: null,
    description: 'the API that the token is for, if the server requires it',
  },
  {
    name: 'OAUTH_PARAMETERS',
    field: 'parameters',
    kind: 'form',
    isSecret: true,
    default: null,
    description: 'additional fields of every token request, form-encoded: `account_id=7&tenant=blue`',
  },
  {
    name: 'OAUTH_AUTHORIZATION_URL',
    field: null,
    kind: 'trimmed',
    isSecret: false,
    default: null,
    description:
      'for `evertoken login`: the authorization endpoint, if it does not come from the metadata of `OAUTH_ISSUER`',
  },
  {
    name: 'OAUTH_DEVICE_URL',
    field: null,
    kind: 'trimmed',
    isSecret: false,
    default: null,
    description: 'for `evertoken login --device`: the device authorization endpoint, likewise',
  },
  {
    name: 'EXTERNAL_API_EMAIL',
    field: 'email',
    kind: 'text',
    isSecret: false,
    default: null,
    description: 'the email address of a login',
    example: 'or a login with email and password',
  },
  {
    name: 'EXTERNAL_API_USERNAME',
    field: 'username',
    kind: 'text',
    isSecret: false,
    default: null,
    description: 'the user name of a login, if it is not the email address',
  },
  {
    name: 'EXTERNAL_API_PASSWORD',
    field: 'password',
    kind: 'text',
    isSecret: true,
    hasFile: true,
    default: null,
    description: 'the password of a login',
    example: '',
  },
  {
    name: 'EXTERNAL_API_TOKEN',
    field: 'token',
    kind: 'text',
    isSecret: true,
    hasFile: true,
    default: null,
    description: 'a manual token, sent when no other can be obtained',
  },
  {
    name: 'EXTERNAL_API_HEADER',
    field: 'header',
    kind: 'trimmed',
    isSecret: false,
    default: 'Authorization',
    description: 'the name of the header that carries the token',
  },
  {
    name: 'TOKEN_ENCRYPTION_KEY',
    field: 'encryptionKey',
    kind: 'list',
    isSecret: true,
    hasFile: true,
    default: null,
    description:
      'encrypts the stored token; if unset, a key is derived from the credential. You can list several, separated by commas: the first encrypts, all decrypt',
    example: 'Encrypts the stored token: npx evertoken keygen',
  },
  {
    name: 'EVERTOKEN_STORAGE',
    field: 'storage',
    kind: 'storage',
    isSecret: true,
    default: 'file',
    description:
      '`file` (`./data/token-cache.json`), `file:PATH`, `sqlite:PATH`, `memory`, or the URL of [PostgreSQL](docs/postgresql.md) or [Redis](docs/redis.md)',
  },
  {
    name: 'EVERTOKEN_ADMIN_SECRET',
    field: null,
    kind: 'trimmed',
    isSecret: true,
    hasFile: true,
    default: null,
    description:
      'the Bearer token for the routes of `createTokenRoutes`; if it is set, every request must send it',
    example:
      'The Bearer token for /api/token, needed outside development; if it is set, every request must send it',
  },
  {
    name: 'LOG_LEVEL',
    field: null,
    kind: 'word',
    isSecret: false,
    default: 'warn',
    description: `${logLevels.map((level) => `\`${level}\``).join(', ')} or \`silent\`; logs go to stderr`,
  },
  {
    name: 'LOG_FORMAT',
    field: null,
    kind: 'word',
    isSecret: false,
    default: 'text',
    description: logFormats.map((format) => `\`${format}\``).join(' or '),
  },
] as const satisfies readonly EnvVariable[]

const rows: readonly EnvVariable[] = envTable

/** The variable that sets this field of the configuration, where there is one. */
export function variableOf(field: string): string | undefined {
  return rows.find((row) => row.field === field)?.name
}

/** The variable that names the file with the secret of this one: the convention of Docker's official images. */
export function fileVariable(name: string): string {
  return `${name}_FILE`
}

/** The names of all variables, those of files included. */
export function variableNames(): string[] {
  return rows.flatMap(({ name, hasFile }) => (hasFile ? [name, fileVariable(name)] : [name]))
}
