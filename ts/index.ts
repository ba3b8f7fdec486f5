/** What `evertoken` exports; documented in `index.d.ts`, which this file must match. */

import type * as api from '../index'
import { configFromEnv } from './config/env'
import { TokenError } from './support/errors'
import { startTokenScheduler, stopTokenScheduler } from './service/scheduler'
import { TokenService } from './service/token-service'
import { getAuthHeaders as authHeaders, getTokenService, initializeTokenService } from './service/registry'

// A constant of this file is exported as a plain property, a re-export as a getter. This is the one function for which
// every nanosecond counts.
const getAuthHeaders = authHeaders

export {
  configFromEnv,
  getAuthHeaders,
  getTokenService,
  initializeTokenService,
  startTokenScheduler,
  stopTokenScheduler,
  TokenError,
  TokenService,
}

// The compiler checks every name and its type against index.d.ts.
void ({
  configFromEnv,
  getAuthHeaders,
  getTokenService,
  initializeTokenService,
  startTokenScheduler,
  stopTokenScheduler,
  TokenError,
  TokenService,
} satisfies typeof api)
