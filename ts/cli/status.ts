import type { TokenStatus } from '../../index'
import { optionsOf, type Command } from './command'
import { targetHelp, targetOf, targetOptions, type Target } from './target'
import { formatDuration, paint, print, sanitize, sanitizeJson, withSpinner } from './terminal'

/** Runs a command on a target, prints the resulting status, and closes the target. */
async function printStatus(
  name: string,
  args: readonly string[],
  act: (target: Target) => Promise<TokenStatus>,
  what: string,
): Promise<number> {
  const { json, ...where } = optionsOf(name, args, targetOptions)
  const target = targetOf(where)
  try {
    const status = await withSpinner(what, act(target))
    print(json ? sanitizeJson(status) : describe(status, where.endpoint === undefined))
    return status.healthy ? 0 : 1
  } finally {
    await target.close()
  }
}

export const status: Command = {
  summary: 'show the status of the token, without a token request',
  usage: '[options]',
  help: `Prints the state, the lifetime, the storage and the last error. The exit code is 1 if the service is not healthy.\n\n${targetHelp}`,
  run: (args) => printStatus('status', args, (target) => target.status(), 'reading the status'),
}

export const refresh: Command = {
  summary: 'request a new token now, and store it',
  usage: '[options]',
  help: `Makes one token request. Running apps that share the store use the new token within seconds.\n\n${targetHelp}`,
  run: (args) => printStatus('refresh', args, (target) => target.refresh(), 'requesting a token'),
}

const colors = {
  valid: 'green',
  manual: 'green',
  expiring: 'yellow',
  expired: 'red',
  missing: 'red',
} as const

/** The status as text. A command that reads the store itself knows nothing of the token if the store is down. */
function describe(status: TokenStatus, isFromStore: boolean): string {
  const left = status.expiresInSeconds === null ? '' : `, for ${formatDuration(status.expiresInSeconds)}`
  const { storage, strategy, lastError } = status
  const sealed = storage.encrypted ? 'encrypted' : 'not encrypted'
  const rows: [name: string, value: string | null, isBad?: boolean][] = [
    ['issued', status.issuedAt],
    ['refresh from', status.refreshAt],
    ['expires', status.expiresAt],
    ['source', status.source],
    ['obtained by', strategy && `${strategy.grant} (${strategy.format}) at ${strategy.endpoint}`],
    [
      'storage',
      `${storage.kind}, ${storage.location}, ${sealed}, ${storage.healthy ? '' : 'not '}healthy`,
      !storage.healthy,
    ],
    ['last error', lastError && `${lastError.code} ${lastError.message} (${lastError.at})`, true],
  ]
  const lines = rows.flatMap(([name, value, isBad = false]) => {
    if (value === null) return []
    const shown = sanitize(value)
    return [`  ${name.padEnd(14)}${isBad ? paint('red', shown) : shown}`]
  })
  const isUnknown = isFromStore && status.state === 'missing' && !storage.healthy
  const state = paint(colors[status.state], isUnknown ? 'unknown: the store cannot be read' : status.state)
  return [`${paint('bold', sanitize(status.service))}: ${state}${left}`, ...lines].join('\n')
}
