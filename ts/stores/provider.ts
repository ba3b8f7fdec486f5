import type { StoredToken } from '../../index'
import { native } from '../native'
import type { Json } from '../plain'
import { RecordFault } from './record'

/** What a store of the user's program does for the core. What it throws is a store that fails. */
export interface Provider {
  /** The record, as {@link plainRecord} writes it. */
  get(service: string): Promise<Json>
  /** `replaced` is the `token` that is stored now: `null` for nothing, and `undefined` for whatever it is. */
  set(service: string, record: StoredToken, replaced: string | null | undefined): Promise<'stored' | 'conflict'>
  delete(service: string): Promise<void>
}

type Request =
  | { operation: 'get' | 'delete'; service: string }
  | { operation: 'set'; service: string; record: StoredToken; replaced?: string | null }

/** The callback through which the core asks `provider`; answers go back by number. It never throws. */
export function answering(provider: Provider): (message: string) => void {
  return (message) => {
    const { number, request } = JSON.parse(message) as { number: number; request: Request }
    void answer(provider, request)
      .then(
        (ok) => ({ ok }),
        (error: unknown) => ({ error: { message: messageOf(error) } }),
      )
      .catch(() => ({ error: { message: 'it threw what cannot be looked at' } }))
      .then((outcome) => native().provide(number, JSON.stringify(outcome)))
  }
}

async function answer(provider: Provider, request: Request): Promise<Json> {
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

function messageOf(error: unknown): string {
  return error instanceof RecordFault ? error.message : `it threw ${kindOf(error)}`
}

/** The error's class and code, and none of its text: a database quotes the values that it was given. */
function kindOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return `a ${typeof error}`
  const { name, code, constructor } = error as { name?: unknown; code?: unknown; constructor?: Function }
  const known = [name, constructor?.name].find((word) => isClassName.test(String(word)))
  return `${String(known ?? 'an error')}${isCode.test(String(code)) ? ` (${String(code)})` : ''}`
}

const isClassName = /^(?:[A-Z][A-Za-z0-9]{0,60})?(?:Error|Exception)$/
const isCode = /^[A-Z0-9_]{1,40}$/
