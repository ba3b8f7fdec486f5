/** Ctrl-C, or a request to end, while the login waits for the user. */
export class Interruption {
  readonly #controller = new AbortController()
  readonly #listener = (): void => this.#controller.abort()

  constructor() {
    process.once('SIGINT', this.#listener)
    process.once('SIGTERM', this.#listener)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The result of `work`, or an error as soon as the login is interrupted. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this
    const interrupted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    return Promise.race([work, interrupted])
  }

  /** From now on, a signal ends the process as usual. */
  end(): void {
    process.off('SIGINT', this.#listener)
    process.off('SIGTERM', this.#listener)
  }
}
