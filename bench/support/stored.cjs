// evertoken with a store on the disk: its default paths, in the folder that the benchmark gives.

/** `database` is what `initializeTokenService` takes besides the configuration. */
exports.connectStored = (config, ...database) => {
  process.chdir(process.env.EVERTOKEN_BENCH_FOLDER)
  const { initializeTokenService, getAuthHeaders } = require(process.env.EVERTOKEN_ENTRY ?? '../..')
  initializeTokenService({ clientId: 'client', clientSecret: 'secret', ...config }, ...database)
  return getAuthHeaders
}
