import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { finished } from 'node:stream/promises'
import { configError } from '../../support/errors'
import { loopbackAddress, type LoopbackRedirect } from './redirect-uri'

/** How long a request may take to arrive. */
const requestMs = 10_000

/** Takes the code out of the address bar; the browser shows the page without it. */
const script = 'history.replaceState(null,"",location.pathname)'

const securityHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'; " +
    `script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  connection: 'close',
}

/** Waits at the redirect URI for the browser. It listens on 127.0.0.1 only. */
export class LoopbackServer {
  readonly redirectUri: string
  readonly port: number
  readonly #server: Server
  readonly #path: string
  readonly #hosts: ReadonlySet<string>

  private constructor(server: Server, redirect: LoopbackRedirect) {
    this.#server = server
    this.#path = redirect.path
    this.port = (server.address() as AddressInfo).port
    this.redirectUri = redirect.uri(this.port)
    const { host, hostname } = new URL(this.redirectUri)
    // Browsers leave out the port 80.
    this.#hosts = new Set([host, `${hostname}:${this.port}`])
  }

  /**
   * Starts to listen.
   *
   * @throws TokenError `ERR_TOKEN_CONFIG` if the port cannot be used.
   */
  static async listen(redirect: LoopbackRedirect): Promise<LoopbackServer> {
    const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs })
    server.listen({ host: loopbackAddress, port: redirect.port, exclusive: true })
    try {
      await once(server, 'listening')
    } catch (error) {
      throw configError('--port', portFault(redirect.port, error as NodeJS.ErrnoException))
    }
    return new LoopbackServer(server, redirect)
  }

  /**
   * The first value that `read` finds in the query of a request; every other request is answered and ignored. Rejects
   * when `signal` aborts.
   */
  async waitFor<T extends object>(
    read: (query: string) => T | undefined,
    isGood: (value: T) => boolean,
    signal: AbortSignal,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let isTaken = false
      const stop = (): void => reject(signal.reason as Error)
      if (signal.aborted) return stop()
      signal.addEventListener('abort', stop, { once: true })
      this.#server.on('request', (request, response) => {
        request.resume()
        const query = this.#queryOf(request, response)
        if (query === undefined) return
        const found = isTaken ? undefined : read(query)
        if (found === undefined) return refuse(response)
        isTaken = true
        signal.removeEventListener('abort', stop)
        answer(response, isGood(found))
        // The browser has the page before the server closes; a browser that has gone away does not matter.
        finished(response).then(
          () => resolve(found),
          () => resolve(found),
        )
      })
    })
  }

  /** Stops listening. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** The query of a request to the redirect URI; every other request is answered here. */
  #queryOf(request: IncomingMessage, response: ServerResponse): string | undefined {
    const { method, url = '', headers } = request
    // A page of another site whose name leads here (DNS rebinding) sends its own name.
    if (!this.#hosts.has(headers.host?.toLowerCase() ?? '')) {
      return void send(response, 421, 'Wrong host', 'This server answers only to its own address.')
    }
    const at = url.indexOf('?')
    const path = at < 0 ? url : url.slice(0, at)
    if (path !== this.#path) return void send(response, 404, 'Not found', 'There is nothing at this address.')
    if (method !== 'GET') {
      response.setHeader('allow', 'GET')
      return void send(response, 405, 'Method not allowed', 'This address is for a browser only.')
    }
    return at < 0 ? '' : url.slice(at + 1)
  }
}

function portFault(port: number, { code }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') {
    return `${port} is in use by another process: stop it, or choose another port (which the provider must allow)`
  }
  if (code === 'EACCES') return `${port} needs more rights than this process has: choose a port above 1023`
  return `${port} cannot be used: ${code ?? 'unknown reason'}`
}

function refuse(response: ServerResponse): void {
  send(
    response,
    400,
    'Not the expected response',
    'This is not the response to the login that the terminal waits for. Start again there.',
  )
}

function answer(response: ServerResponse, isGood: boolean): void {
  if (isGood) send(response, 200, 'You can close this window', 'The login continues in the terminal.')
  else send(response, 200, 'The login has failed', 'The terminal says why. You can close this window.')
}

/** A page that loads nothing. `title` and `text` are fixed texts. */
function send(response: ServerResponse, status: number, title: string, text: string): void {
  response.writeHead(status, securityHeaders)
  response.end(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>${title}</title><style>:root{color-scheme:light dark;font:1.1rem system-ui}` +
      `body{margin:20vh auto;max-width:32rem;padding:0 1rem;text-align:center}</style>` +
      `<main><h1>${title}</h1><p>${text}</p></main><script>${script}</script></html>`,
  )
}
