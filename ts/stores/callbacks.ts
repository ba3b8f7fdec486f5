import type { StoredToken } from '../../index'
import { native } from '../binding/native'
import type { Json } from '../support/json'
import { classifyThrown } from '../support/user-code'

/** What a store on the JavaScript side does for the core. An error that it throws is a failure of the store. */
export interface StoreCallbacks {
  /** The record, as {@link plainRecord} writes it. */
  get(service: string): Promise<Json>
  /** `replaced` is the `token` that is stored now: `null` if nothing is stored, `undefined` to replace any token. */
  set(
    service: string,
    record: StoredToken,
    replaced: string | null | undefined,
  ): Promise<'stored' | 'conflict'>
  /** With `replaced`, only if that is the `token` that is stored now. */
  delete(service: string, replaced?: string): Promise<'stored' | 'conflict'>
  /** For each service, a text that differs after each change of its record. */
  marks?(services: readonly string[]): Promise<(string | null)[]>
}

/** A store on the JavaScript side. */
export interface Provider {
  answer: Answer
  /** Whether it compares and sets, so that it has leases. */
  comparesAndSets: boolean
  /** What services share that keep their records in one place. */
  client: object
}

/** What the core asks of something on the JavaScript side, and its answer. An error that it throws is a failure of the store. */
export type Answer = (request: never) => Promise<Json>

type RecordRequest =
  | { operation: 'get'; service: string }
  | { operation: 'delete'; service: string; replaced?: string }
  | { operation: 'marks'; services: string[] }
  | { operation: 'set'; service: string; record: StoredToken; replaced?: string | null }

/** The callback through which the core calls `answer`; results go back by number. It never throws. */
export function createCallback(answer: Answer): (message: string) => void {
  return (message) => {
    const { number, request } = JSON.parse(message) as { number: number; request: never }
    void answer(request)
      .then(
        (ok) => ({ ok }),
        (error: unknown) => ({ error: { message: `it threw ${classifyThrown(error)}` } }),
      )
      .then((outcome) => native().provide(number, JSON.stringify(outcome)))
  }
}

/** Answers for a store of records. */
export function answerWith(store: StoreCallbacks): Answer {
  return async (request: RecordRequest) => {
    switch (request.operation) {
      case 'get':
        return store.get(request.service)
      case 'set':
        return store.set(request.service, request.record, request.replaced)
      case 'delete':
        return store.delete(request.service, request.replaced)
      case 'marks':
        return (await store.marks?.(request.services)) ?? null
    }
  }
}
