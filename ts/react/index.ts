'use client'

/**
 * `evertoken/react`: the token's state, live, in the browser.
 *
 * @module evertoken/react
 */

export { TokenMonitor } from './token-monitor.js'
export type { TokenMonitorProps, TokenMonitorService } from './token-monitor.js'
export { useTokenStatus } from './use-token-status.js'
export type {
  TokenAction,
  TokenActionResult,
  TokenStatusView,
  UseTokenStatusOptions,
} from './use-token-status.js'
export type { TokenProblem } from './problem.js'
