// @azure/msal-node with its own plugin for a cache that processes share. Client credentials have no accounts, so all is
// in one partition, whose key its documentation gives: client ID and tenant.
const { DistributedCachePlugin } = require('@azure/msal-node')
const { nodeRedis } = require('../support/clients.cjs')
const { msalClient } = require('../support/msal.cjs')

const PARTITION = 'client.tenant'

exports.title = '@azure/msal-node, `DistributedCachePlugin` over node-redis'
exports.store = 'redis'
exports.baseline = 'bare-node-redis'

exports.connect = async (tokenUrl) => {
  const redis = await nodeRedis()
  const cacheClient = {
    get: async (key) => (await redis.get(key)) ?? '',
    set: async (key, value) => (await redis.set(key, value)) ?? '',
  }
  const partitions = { getKey: async () => PARTITION, extractKey: async () => PARTITION }
  return msalClient(tokenUrl, 'client', { cachePlugin: new DistributedCachePlugin(cacheClient, partitions) })
}
