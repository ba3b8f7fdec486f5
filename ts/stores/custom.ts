import type { TokenStore } from '../../index'
import { outcomeOf } from '../thrown'
import type { Provider } from './provider'
import { plainRecord } from './record'

/** A store of the user's own. It does not compare and swap: the core looks first, and the last writer wins. */
export function customProvider(store: TokenStore): Provider {
  return {
    get: async (service) => plainRecord(await outcomeOf(store.get(service))),
    async set(service, record) {
      await outcomeOf(store.set(service, record))
      return 'stored'
    },
    async delete(service) {
      await outcomeOf(store.delete(service))
    },
  }
}
