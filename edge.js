'use strict'

// An `import` of one of these is linked before this file runs; the sentence below is then what is read.
exports.configFromEnv = undefined
exports.getAuthHeaders = undefined
exports.getTokenService = undefined
exports.initializeTokenService = undefined
exports.startTokenScheduler = undefined
exports.stopTokenScheduler = undefined
exports.TokenError = undefined
exports.TokenService = undefined

throw new Error(
  "evertoken runs in Node.js, not in an Edge runtime or a browser: put `export const runtime = 'nodejs'` into " +
    'the route, page or middleware that imports it.',
)
