import { useCallback, useEffect, useRef, useState } from 'react'
import type { TokenStatus } from 'evertoken'
import { ask, clearedFrom, type Answer } from './endpoint.js'
import type { TokenProblem } from './problem.js'
import { startPolling } from './polling.js'
import { statusFrom } from './status.js'

/** Where the status comes from, and how often. */
export interface UseTokenStatusOptions {
  /** Where the routes of `createTokenRoutes` are. Default `/api/token`. */
  endpoint?: string | undefined
  /**
   * How often the status is fetched while the page is visible, in milliseconds; at least 500. Default 5000. With `0`
   * it is fetched once, and again when `reload` is called.
   */
  refreshIntervalMs?: number | undefined
  /** Headers for every request, for example your own `Authorization`; read again for each. */
  headers?: HeadersInit | (() => HeadersInit) | undefined
}

/** What the buttons do to the token. */
export type TokenAction = 'refresh' | 'clear'

/** The result of an action; `problem` is `null` if it succeeded. */
export interface TokenActionResult {
  readonly action: TokenAction
  readonly problem: TokenProblem | null
}

/** The latest status, and the actions. */
export interface TokenStatusView {
  /** The latest status; it is kept while the endpoint is unreachable. `null` before the first. */
  readonly status: TokenStatus | null
  /** When it arrived, in milliseconds by the browser's clock. */
  readonly receivedAt: number | null
  /** When it was sent, in milliseconds by the server's clock; `null` if the response does not say so. */
  readonly sentAt: number | null
  /** Why there is no newer status; `null` if there is no problem. */
  readonly problem: TokenProblem | null
  /** The action in progress. */
  readonly busy: TokenAction | null
  /** Fetches the status now. */
  readonly reload: () => Promise<void>
  /** Makes the server request a new token. Never rejects. */
  readonly refresh: () => Promise<TokenActionResult>
  /** Makes the server clear the token. Never rejects. */
  readonly clear: () => Promise<TokenActionResult>
}

interface Seen {
  readonly status: TokenStatus | null
  readonly receivedAt: number | null
  readonly sentAt: number | null
  readonly problem: TokenProblem | null
}

const nothingYet: Seen = { status: null, receivedAt: null, sentAt: null, problem: null }

/**
 * The state of the token, fetched repeatedly while the page is visible, for a display of your own.
 *
 * @example
 * ```tsx
 * const { status, problem, refresh } = useTokenStatus({ refreshIntervalMs: 10_000 })
 * return <button onClick={refresh}>{problem?.message ?? status?.state ?? 'loading'}</button>
 * ```
 */
export function useTokenStatus(options: UseTokenStatusOptions = {}): TokenStatusView {
  const { endpoint = '/api/token', refreshIntervalMs = 5_000, headers } = options
  const base = endpoint.replace(/\/+$/, '')
  const [seen, setSeen] = useState<Seen>(nothingYet)
  const [busy, setBusy] = useState<TokenAction | null>(null)
  const connection = useRef<Connection | null>(null)
  // An object literal is a new one at each render, and must not start everything again.
  const currentHeaders = useRef(headers)
  useEffect(() => {
    currentHeaders.current = headers
  })

  useEffect(() => {
    const opened = new Connection(
      base,
      () => {
        const { current } = currentHeaders
        return typeof current === 'function' ? current() : current
      },
      setSeen,
    )
    connection.current = opened
    setSeen(nothingYet)
    setBusy(null)
    return () => opened.close()
  }, [base])

  // biome-ignore lint/correctness/useExhaustiveDependencies: another endpoint is polled at once.
  useEffect(() => {
    const load = async () => ((await connection.current?.load())?.retryAfterSeconds ?? 0) * 1_000
    return startPolling(load, refreshIntervalMs)
  }, [base, refreshIntervalMs])

  const act = useCallback(async (action: TokenAction): Promise<TokenActionResult> => {
    const opened = connection.current
    if (opened === null) return { action, problem: notConnected }
    setBusy(action)
    const problem = await opened[action]()
    if (connection.current === opened) setBusy(null)
    return { action, problem }
  }, [])

  return {
    ...seen,
    busy,
    reload: useCallback(async () => void (await connection.current?.load()), []),
    refresh: useCallback(() => act('refresh'), [act]),
    clear: useCallback(() => act('clear'), [act]),
  }
}

const notConnected: TokenProblem = {
  kind: 'unreachable',
  message: 'The component is not mounted.',
  code: null,
  retryAfterSeconds: null,
}

/** The requests to one endpoint, while the component is mounted. */
class Connection {
  readonly #cancel = new AbortController()
  #asked = 0
  #shown = 0

  constructor(
    readonly base: string,
    readonly headers: () => HeadersInit | undefined,
    readonly show: (update: (seen: Seen) => Seen) => void,
  ) {}

  close(): void {
    this.#cancel.abort()
  }

  async load(): Promise<TokenProblem | null> {
    const turn = ++this.#asked
    const answer = await this.#ask('GET', '/status', statusFrom)
    this.#showStatus(turn, answer)
    return 'problem' in answer ? answer.problem : null
  }

  async refresh(): Promise<TokenProblem | null> {
    const answer = await this.#ask('POST', '/refresh', statusFrom)
    if ('value' in answer) {
      // Its status is as new as this response: a status requested meanwhile may be from before the refresh.
      this.#showStatus(++this.#asked, answer)
      return null
    }
    // The status also contains the failure, and may be available although the refresh failed.
    await this.load()
    return answer.problem
  }

  async clear(): Promise<TokenProblem | null> {
    const answer = await this.#ask('DELETE', '', clearedFrom)
    await this.load()
    return 'problem' in answer ? answer.problem : null
  }

  #ask<T>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    read: (body: unknown) => T | null,
  ): Promise<Answer<T>> {
    return ask(method, this.base + path, this.headers, read, this.#cancel.signal)
  }

  /** Ignores a response that arrives after that of a later request. */
  #showStatus(turn: number, answer: Answer<TokenStatus>): void {
    if (this.#cancel.signal.aborted || turn < this.#shown) return
    this.#shown = turn
    this.show((seen) =>
      'value' in answer
        ? { status: answer.value, receivedAt: Date.now(), sentAt: answer.sentAt, problem: null }
        : { ...seen, problem: answer.problem },
    )
  }
}
