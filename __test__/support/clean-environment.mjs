// Takes every variable that evertoken reads out of this process, so that tests see only what they set.

import { networkVariables } from '../../lib/binding/network-variables.js'
import { variableNames } from '../../lib/support/env-table.js'

export function cleanEnvironment() {
  const names = [...variableNames(), ...Object.keys(networkVariables())]
  for (const name of names) delete process.env[name]
  // What test runners set: the token routes are open only in development and in tests.
  process.env.NODE_ENV = 'test'
  // Warnings about failures that tests provoke must not appear in the terminal.
  process.env.LOG_LEVEL = 'error'
}

cleanEnvironment()
