// What the contenders share that bring no HTTP client of their own.

/** One client-credentials request: the token, and the moment of its expiry in milliseconds since 1970. */
exports.requestToken = async (tokenUrl, clientId = 'client') => {
  const response = await fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: 'secret',
    }),
  })
  if (!response.ok) throw new Error(`the token server answered ${response.status}`)
  const { access_token: token, expires_in: seconds } = await response.json()
  return { token, expiresAt: Date.now() + seconds * 1000 }
}

/**
 * The first token of the cases that need a refresh to be due lives 301 s. For a library that refreshes five
 * minutes before expiry that is a good token whose refresh is due after one second, or after two for one that counts
 * in whole seconds.
 */
exports.FIRST_LIFE_SECONDS = 301

exports.untilFiveMinutesBeforeExpiry = () => new Promise((resolve) => setTimeout(resolve, 2_500))
