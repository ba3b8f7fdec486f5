import type { TokenEvent, TokenEventName } from '../../index'
import { EventEmitter } from 'node:events'
import { reportRejection } from '../support/user-code'

/** A user's listener. */
export type Listener = (event: TokenEvent) => void

/** Like Node's emitter, but a listener that throws or rejects has no effect on others, and is reported once. */
export class Listeners {
  readonly #emitter = new EventEmitter()
  readonly #owner: object
  readonly #faulty = new WeakSet<object>()

  /** @param owner The `this` of listeners. */
  constructor(owner: object) {
    this.#owner = owner
  }

  on(type: TokenEventName, listener: Listener): void {
    this.#emitter.on(type, listener)
  }

  once(type: TokenEventName, listener: Listener): void {
    const listenOnce = (event: TokenEvent): unknown => {
      this.#emitter.off(type, listenOnce)
      return Reflect.apply(listener, this.#owner, [event])
    }
    // `off(type, listener)` finds it by this property, as with Node's own `once`.
    this.#emitter.on(
      type,
      typeof listener === 'function' ? Object.assign(listenOnce, { listener }) : listener,
    )
  }

  off(type: TokenEventName, listener: Listener): void {
    this.#emitter.off(type, listener)
  }

  /** Calls every listener of the event's type; `report`, which must not throw, receives what one of them threw. */
  emit(event: TokenEvent, report: (error: unknown) => void): void {
    for (const listener of this.#emitter.rawListeners(event.type)) {
      const reportOnce = (error: unknown): void => {
        if (this.#faulty.has(listener)) return
        this.#faulty.add(listener)
        report(error)
      }
      try {
        reportRejection(Reflect.apply(listener, this.#owner, [event]), reportOnce)
      } catch (error) {
        reportOnce(error)
      }
    }
  }

  /** Removes all listeners, when no more events will come. */
  clear(): void {
    this.#emitter.removeAllListeners()
  }
}
