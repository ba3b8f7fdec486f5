/**
 * The variables that decide how the core sends its requests. They are read here and passed in: `getenv` on one of the
 * core's own threads, while this thread sets `process.env`, would crash the process.
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
  // Set in a CGI script, where HTTP_PROXY is a header of the incoming request.
  'REQUEST_METHOD',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const

/** The network variables that are set now. */
export function networkVariables(): Record<string, string> {
  const set: Record<string, string> = {}
  for (const name of variables) {
    const text = process.env[name]
    if (text !== undefined) set[name] = text
  }
  return set
}
