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
  delete(service: string): Promise<void>
}

type Request =
  | { operation: 'get' | 'delete'; service: string }
  | { operation: 'set'; service: string; record: StoredToken; replaced?: string | null }

/** The callback through which the core calls `provider`; results go back by number. It never throws. */
export function createCallback(provider: StoreCallbacks): (message: string) => void {
  return (message) => {
    const { number, request } = JSON.parse(message) as { number: number; request: Request }
    void answer(provider, request)
      .then(
        (ok) => ({ ok }),
        (error: unknown) => ({ error: { message: `it threw ${classifyThrown(error)}` } }),
      )
      .then((outcome) => native().provide(number, JSON.stringify(outcome)))
  }
}

async function answer(provider: StoreCallbacks, request: Request): Promise<Json> {
  switch (request.operation) {
    case 'get':
      return provider.get(request.service)
    case 'set':
      return provider.set(request.service, request.record, request.replaced)
    case 'delete':
      await provider.delete(request.service)
      return null
  }
}
