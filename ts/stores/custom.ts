import type { TokenStore } from '../../index'
import { settle } from '../support/user-code'
import { answerWith, type Answer } from './callbacks'
import { plainRecord } from './record'

/** A user's own store. It has no compare-and-swap: the core reads first, and the last writer wins. */
export function customStoreCallbacks(store: TokenStore): Answer {
  return answerWith({
    get: async (service) => plainRecord(await settle(store.get(service))),
    async set(service, record) {
      await settle(store.set(service, record))
      return 'stored'
    },
    async delete(service) {
      await settle(store.delete(service))
    },
  })
}
