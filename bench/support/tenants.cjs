// One process that serves many tenants, each of which has credentials of its own.

/** A client for each tenant, as a program keeps them: `create` returns the function that resolves with its headers. */
exports.clientPerTenant = (create) => {
  const clients = new Map()
  return {
    add: (name) => clients.set(name, create(name)),
    call: (name) => clients.get(name)(),
  }
}

/** evertoken with a service for each tenant. `config` is theirs in common; `database` is as for the function. */
exports.servicePerTenant = (config, ...database) => {
  // Where the stores are, at their default paths.
  process.chdir(process.env.EVERTOKEN_BENCH_FOLDER)
  const evertoken = require(process.env.EVERTOKEN_ENTRY ?? '../..')
  const { getAuthHeaders, getTokenService, initializeTokenService, startTokenScheduler } = evertoken
  return {
    add: (name) =>
      initializeTokenService(
        { service: name, clientId: name, clientSecret: `the secret of ${name}`, ...config },
        ...database,
      ),
    call: getAuthHeaders,
    begin: () => startTokenScheduler(),
    refreshAt: (name) => Date.parse(getTokenService(name).status().refreshAt),
    end: (name) => getTokenService(name).shutdown(),
  }
}
