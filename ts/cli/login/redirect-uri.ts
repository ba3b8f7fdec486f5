import { UsageError } from '../command'

/** The address that the loopback server listens on, and no other. */
export const loopbackAddress = '127.0.0.1'

/** A redirect URI at the loopback interface, RFC 8252 §7.3. */
export interface LoopbackRedirect {
  /** 0 for any free port. */
  readonly port: number
  readonly path: string
  /** The redirect URI with the port that was bound, as the authorization request contains it. */
  uri(port: number): string
}

const pattern = /^http:\/\/(127\.0\.0\.1|localhost)(?::(\d{1,5}))?(\/[\w.~!$&'()*+,;=:@%/-]*)?$/

/**
 * The redirect URI that the options ask for. A provider may compare it character by character, so a given one stays as
 * it is, except for the port if it has none.
 *
 * @throws UsageError for a URI that cannot be served from here.
 */
export function loopbackRedirect(given: string | undefined, port: number | undefined): LoopbackRedirect {
  const text = given ?? `http://${loopbackAddress}/callback`
  const [, host, own, path] = pattern.exec(text) ?? []
  if (host === undefined) {
    throw new UsageError(
      'login: --redirect-uri must be http://127.0.0.1:PORT/PATH or http://localhost:PORT/PATH, as it is registered with the provider',
    )
  }
  const ownPort = own === undefined ? undefined : Number(own)
  if (ownPort !== undefined && (ownPort < 1 || ownPort > 65_535)) {
    throw new UsageError('login: --redirect-uri has a port that does not exist')
  }
  if (ownPort !== undefined && port !== undefined && ownPort !== port) {
    throw new UsageError('login: --redirect-uri and --port name different ports')
  }
  return {
    port: ownPort ?? port ?? 0,
    path: path ?? '/',
    uri: (bound) => (own === undefined ? `http://${host}:${bound}${path ?? ''}` : text),
  }
}
