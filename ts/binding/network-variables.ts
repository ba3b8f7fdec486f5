/**
 * The variables that decide how the core's requests go out. They are read here and handed in: the core has threads of
 * its own, and `getenv` on one of them while this thread sets `process.env` would end the process.
 */
const variables = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  // Says that this is a CGI script, where HTTP_PROXY is a header of the request that it answers.
  'REQUEST_METHOD',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const

/** Those that are set, now. */
export function networkVariables(): Record<string, string> {
  const { env } = process
  return Object.fromEntries(variables.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}
