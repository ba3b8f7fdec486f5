import {
  native,
  unwrap,
  type ConsentEndpoints,
  type DeviceAuthorization,
  type ExchangedTokens,
  type Outcome,
} from '../binding/native'

/** An authorization code with what proves that it is ours (RFC 7636), or a device code. */
export type ConsentCode =
  | { readonly code: string; readonly redirectUri: string; readonly codeVerifier: string }
  | { readonly deviceCode: string }

/**
 * Exchanges a user's consent for tokens, through the core: with its trust, proxies and client authentication. Nothing is
 * held or stored: pass the tokens on to the service.
 */
export class CodeExchange {
  readonly #id: number
  readonly #name: string

  constructor(id: number, name: string) {
    this.#id = id
    this.#name = name
  }

  /** The endpoints: the given ones, else those of the issuer's metadata. */
  async endpoints(given: {
    authorizationUrl: string | undefined
    deviceUrl: string | undefined
  }): Promise<ConsentEndpoints> {
    return this.#unwrap(await native().consentEndpoints(this.#id, JSON.stringify(given)))
  }

  /** Requests a device code. */
  async authorizeDevice(request: {
    url: string
    scope: string | undefined
    parameters: readonly (readonly [name: string, value: string])[]
  }): Promise<DeviceAuthorization> {
    return this.#unwrap(await native().authorizeDevice(this.#id, JSON.stringify(request)))
  }

  /** Exchanges a code, once. `scope` is what the user was asked for. */
  async exchange(code: ConsentCode, scope: string | undefined): Promise<ExchangedTokens> {
    return this.#unwrap(await native().exchangeCode(this.#id, JSON.stringify({ ...code, scope })))
  }

  #unwrap<T>(outcome: Outcome<T>): T {
    return unwrap(outcome, this.#name)
  }
}
