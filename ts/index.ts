/** The front door of `evertoken`; documented in `index.d.ts`, which this file must match. */

import type * as api from '../index'
import { configFromEnv } from './config/env'
import { TokenError } from './support/errors'
import { startTokenScheduler, stopTokenScheduler } from './service/scheduler'
import { TokenService } from './service/token-service'
import { getAuthHeaders as authHeaders, getTokenService, initializeTokenService } from './service/registry'

// A constant of this file is exported as a plain property; what is passed on by name gets a getter, and this
// is the one function whose every nanosecond counts.
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

// What is written is what is promised: every name, and each of the promised type.
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
