import type { SharedTokenStore, TokenStore } from '../../index'
import { hasFunctions, settle } from '../support/user-code'
import { answerWith, type Answer, type Provider } from './callbacks'
import { plainRecord } from './record'

/** A user's own store. */
export function customStore(store: TokenStore | SharedTokenStore): Provider {
  const comparesAndSets = isSharedStore(store)
  return {
    answer: comparesAndSets ? answerTexts(store) : answerRecords(store),
    comparesAndSets,
    client: store,
  }
}

/** Whether it has the functions of a `SharedTokenStore`. */
export function isSharedStore(value: unknown): value is SharedTokenStore {
  return hasFunctions(value, ['read', 'compareAndSet'])
}

/** Without compare-and-set, the core reads first, and the last writer wins. */
function answerRecords(store: TokenStore): Answer {
  return answerWith({
    get: async (service) => plainRecord(await settle(store.get(service))),
    async set(service, record) {
      await settle(store.set(service, record))
      return 'stored'
    },
    async delete(service) {
      await settle(store.delete(service))
      return 'stored'
    },
  })
}

type TextRequest =
  | { operation: 'read'; key: string }
  | { operation: 'compareAndSet'; key: string; expected: string | null; next: string | null }

function answerTexts(store: SharedTokenStore): Answer {
  return async (request: TextRequest) => {
    if (request.operation === 'read') {
      const text: unknown = await settle(store.read(request.key))
      // The core reports what is neither.
      return typeof text === 'string' ? text : text == null ? null : false
    }
    const { key, expected, next } = request
    const isSet: unknown = await settle(store.compareAndSet(key, expected, next))
    return typeof isSet === 'boolean' ? isSet : null
  }
}
