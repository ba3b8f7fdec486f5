import { randomUUID } from 'node:crypto'
import type { RecordedRequest } from './recorded-request'

/** Which credentials are accepted, and what the tokens look like. */
export interface Granting {
  /** The lifetime of an access token, in seconds; `null` leaves `expires_in` out. Default 3600. */
  expiresInSeconds?: number | null
  /** `opaque` strings, or JWTs with `iat` and `exp` (and an invalid signature). Default `opaque`. */
  tokens?: 'opaque' | 'jwt'
  /**
   * `none`; `reusable`: one refresh token for a login; `rotating`: each refresh returns a new one, and if a used one
   * is sent again, every token of its login is revoked. Default `none`.
   */
  refreshTokens?: 'none' | 'reusable' | 'rotating'
  /**
   * With `rotating`: for how long after its use a refresh token may be sent again, in seconds, as servers allow in case
   * a response is lost. Default 0.
   */
  rotationGraceSeconds?: number
  /** Refresh tokens that someone's consent brought, for `refreshToken` and `adopt()`. */
  seeds?: readonly string[]
  /**
   * How long a refresh token can be used since its login or consent, in seconds; responses then have
   * `refresh_token_expires_in`. Default: for ever.
   */
  refreshTokenExpiresInSeconds?: number
  /** Whether a new access token revokes the earlier ones. Default `false`. */
  revokesOldTokens?: boolean
  /** Client identifiers with their secrets. Default: every client is accepted. */
  clients?: Readonly<Record<string, string>>
  /** User names or email addresses with their passwords. Default: everyone is accepted. */
  users?: Readonly<Record<string, string>>
}

/** What belongs to one login. */
interface Family {
  /** Used refresh tokens, and when each was used, in milliseconds since 1970. */
  spent: Map<string, number>
  /** Until when its refresh tokens can be used. */
  until: number
  accessTokens: string[]
  refreshToken: string | undefined
}

type Answer = [status: number, body: unknown]

/** The endpoints that accept POST, and what they do. */
const endpoints: ReadonlyMap<string, string> = new Map([
  ['/oauth/token', 'token'],
  ['/oauth/revoke', 'revoke'],
  ['/auth/login', 'login'],
  ['/auth/refresh', 'refresh'],
])

const refreshNames = ['refresh_token', 'refresh', 'refreshToken']

/** The tokens of a mock server: who receives one, and which are valid. */
export class Grants {
  readonly counts = { logins: 0, refreshes: 0, reuses: 0, revocations: 0 }
  readonly #granting: Granting
  /** Access tokens that the API accepts, with their expiry. */
  readonly #open = new Map<string, number>()
  #families: Family[] = []
  #issued = 0

  constructor(granting: Granting) {
    this.#granting = granting
    for (const seed of granting.seeds ?? []) this.#families.push(this.#family(seed))
  }

  /** Someone consents: a refresh token. */
  consent(): string {
    const token = `refresh-${randomUUID()}`
    this.#families.push(this.#family(token))
    return token
  }

  /** Every refresh token is refused from now on. */
  endConsent(): void {
    this.#families = []
  }

  /** What the endpoint at this path does, if there is one. */
  at(path: string): string | undefined {
    return endpoints.get(path.length > 1 ? path.replace(/\/$/, '') : path)
  }

  answer(endpoint: string, request: RecordedRequest): Answer {
    if (endpoint === 'login')
      return this.#logIn(request, ['email', 'username', 'identifier', 'identity', 'login'])
    if (endpoint === 'refresh') return this.#refresh(tokenToSpend(request))
    if (!this.#knowsClient(request) && !isGrantAlone(request)) return [401, { error: 'invalid_client' }]
    if (endpoint === 'revoke') return this.#revoke(String(request.fields['token'] ?? ''))
    switch (request.fields['grant_type']) {
      case 'client_credentials':
        return this.#begin()
      case 'password':
        return this.#logIn(request, ['username'])
      case 'refresh_token':
        return this.#refresh(tokenToSpend(request))
      case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
        return isJwt(request.fields['assertion'])
          ? this.#begin()
          : [400, { error: 'invalid_grant', error_description: 'assertion is not a JWT' }]
      case 'urn:ietf:params:oauth:grant-type:token-exchange':
        return this.#exchange(request)
      case undefined:
        return [400, { error: 'invalid_request', error_description: 'grant_type is missing' }]
      default:
        return [400, { error: 'unsupported_grant_type' }]
    }
  }

  /** Whether the API accepts this `Authorization` header. */
  opens(authorization: string | undefined): boolean {
    const [, token = ''] = /^\S+ +(\S+)$/.exec(authorization ?? '') ?? []
    return (this.#open.get(token) ?? 0) > Date.now()
  }

  revokeAll(): void {
    this.#open.clear()
  }

  #knowsClient({ headers, fields }: RecordedRequest): boolean {
    const { clients } = this.#granting
    if (!clients) return true
    const basic = /^Basic +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    const [id, secret] =
      basic === undefined ? [fields['client_id'], fields['client_secret']] : basicPair(basic)
    return typeof id === 'string' && Object.hasOwn(clients, id) && clients[id] === secret
  }

  #logIn({ fields }: RecordedRequest, names: readonly string[]): Answer {
    const name = names.map((each) => fields[each]).find((value) => typeof value === 'string')
    const password = fields['password']
    if (typeof name !== 'string' || typeof password !== 'string') {
      return [
        422,
        { error: 'invalid_request', error_description: `${names.join(' or ')} and password are required` },
      ]
    }
    const { users } = this.#granting
    if (users && !(Object.hasOwn(users, name) && users[name] === password))
      return [401, { error: 'invalid_grant' }]
    return this.#begin()
  }

  #exchange({ fields }: RecordedRequest): Answer {
    for (const name of ['subject_token', 'subject_token_type']) {
      if (typeof fields[name] !== 'string' || fields[name] === '') {
        return [400, { error: 'invalid_request', error_description: `${name} is missing` }]
      }
    }
    const [status, body] = this.#begin()
    const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
    return [status, { ...(body as object), issued_token_type: accessToken }]
  }

  #begin(): Answer {
    this.counts.logins += 1
    const hasRefreshToken = (this.#granting.refreshTokens ?? 'none') !== 'none'
    const family = this.#family(hasRefreshToken ? `refresh-${randomUUID()}` : undefined)
    if (hasRefreshToken) this.#families.push(family)
    return [200, this.#issue(family, family.refreshToken)]
  }

  #family(refreshToken: string | undefined): Family {
    const { refreshTokenExpiresInSeconds: life = Number.POSITIVE_INFINITY } = this.#granting
    return { spent: new Map(), until: Date.now() + life * 1000, accessTokens: [], refreshToken }
  }

  #refresh(token: string): Answer {
    const family = this.#families.find((each) => each.refreshToken === token || each.spent.has(token))
    if (family !== undefined && Date.now() >= family.until) return [400, { error: 'invalid_grant' }]
    const grace = (this.#granting.rotationGraceSeconds ?? 0) * 1000
    const isInGrace = Date.now() < (family?.spent.get(token) ?? Number.NEGATIVE_INFINITY) + grace
    if (family === undefined || (family.refreshToken !== token && !isInGrace)) {
      if (family) {
        // RFC 9700 §4.14.2: one of the two senders may be an attacker.
        this.counts.reuses += 1
        this.#families = this.#families.filter((each) => each !== family)
        for (const each of family.accessTokens) this.#open.delete(each)
      }
      return [400, { error: 'invalid_grant' }]
    }
    this.counts.refreshes += 1
    if (this.#granting.refreshTokens !== 'rotating') return [200, this.#issue(family, undefined)]
    family.spent.set(token, family.spent.get(token) ?? Date.now())
    if (isInGrace && family.refreshToken !== undefined) family.spent.set(family.refreshToken, Date.now())
    family.refreshToken = `refresh-${randomUUID()}`
    return [200, this.#issue(family, family.refreshToken)]
  }

  #revoke(token: string): Answer {
    this.counts.revocations += 1
    this.#open.delete(token)
    this.#families = this.#families.filter((family) => family.refreshToken !== token)
    // RFC 7009 §2.2: an unknown token is not an error.
    return [200, undefined]
  }

  #issue(family: Family, refreshToken: string | undefined): Record<string, unknown> {
    const { expiresInSeconds = 3600, tokens = 'opaque', revokesOldTokens = false } = this.#granting
    this.#issued += 1
    const now = Date.now()
    const life = expiresInSeconds ?? 3600
    const token = tokens === 'jwt' ? jwt(now, life, this.#issued) : `access-${this.#issued}-${randomUUID()}`
    if (revokesOldTokens) this.revokeAll()
    this.#open.set(token, now + life * 1000)
    family.accessTokens.push(token)
    return {
      access_token: token,
      token_type: 'Bearer',
      ...(expiresInSeconds === null ? {} : { expires_in: expiresInSeconds }),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
      ...(Number.isFinite(family.until)
        ? { refresh_token_expires_in: Math.ceil((family.until - now) / 1000) }
        : {}),
    }
  }
}

/** RFC 7523 §2.1: an assertion is the grant, and needs no client. */
function isGrantAlone({ fields, headers }: RecordedRequest): boolean {
  const isAssertion = fields['grant_type'] === 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  return isAssertion && fields['client_id'] === undefined && headers.authorization === undefined
}

function isJwt(value: unknown): boolean {
  return typeof value === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)
}

function tokenToSpend({ fields, headers }: RecordedRequest): string {
  const named = refreshNames.map((name) => fields[name]).find((value) => typeof value === 'string')
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return String(named ?? bearer ?? '')
}

/** RFC 6749 §2.3.1: both parts are form-encoded before they are joined. */
function basicPair(base64: string): [id: string, secret: string] {
  const text = Buffer.from(base64, 'base64').toString()
  const colon = text.indexOf(':')
  const decode = (part: string): string => new URLSearchParams(`part=${part}`).get('part') ?? ''
  return [decode(text.slice(0, Math.max(colon, 0))), decode(text.slice(colon + 1))]
}

/** A JWT with an invalid signature. */
function jwt(now: number, life: number, number: number): string {
  const issued = Math.floor(now / 1000)
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: 'mock', iat: issued, exp: issued + life, jti: String(number) }
  return [part({ alg: 'HS256', typ: 'JWT' }), part(claims), part({ mock: randomUUID() })].join('.')
}
