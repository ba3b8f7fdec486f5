import type { TokenStore } from '../../index'
import type { Provider } from './provider'
import { plainRecord } from './record'

/** A store of the user's own. It does not compare and swap: the core looks first, and the last writer wins. */
export function customProvider(store: TokenStore): Provider {
  return {
    get: async (service) => plainRecord(await store.get(service)),
    async set(service, record) {
      await store.set(service, record)
      return 'stored'
    },
    async delete(service) {
      await store.delete(service)
    },
  }
}
