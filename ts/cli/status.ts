import type { TokenStatus } from '../../index'
import { optionsOf, type Command } from './command'
import { targetHelp, targetOf, targetOptions, type Target } from './target'
import { formatDuration, paint, print, sanitize, sanitizeJson, withSpinner } from './terminal'

/** Runs a command on a target, prints the status it ends with, and closes it. */
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
    print(json ? sanitizeJson(status) : describe(status))
    return status.healthy ? 0 : 1
  } finally {
    await target.close()
  }
}

export const status: Command = {
  summary: 'show how the token stands, without a token request',
  usage: '[options]',
  help: `Prints state, life, storage and the last error. The exit code is 1 when something needs attention.\n\n${targetHelp}`,
  run: (args) => printStatus('status', args, (target) => target.status(), 'looking'),
}

export const refresh: Command = {
  summary: 'get a new token now, and store it',
  usage: '[options]',
  help: `Makes one token request. Running apps that share the store take the new token over within seconds.\n\n${targetHelp}`,
  run: (args) => printStatus('refresh', args, (target) => target.refresh(), 'asking for a token'),
}

const colours = {
  valid: 'green',
  manual: 'green',
  expiring: 'yellow',
  expired: 'red',
  missing: 'red',
} as const

/** The status in some lines. */
function describe(status: TokenStatus): string {
  const left = status.expiresInSeconds === null ? '' : `, for ${formatDuration(status.expiresInSeconds)}`
  const { storage, strategy, lastError } = status
  const sealed = storage.encrypted ? 'sealed' : 'not sealed'
  const rows: [name: string, value: string | null, isBad?: boolean][] = [
    ['issued', status.issuedAt],
    ['refresh from', status.refreshAt],
    ['expires', status.expiresAt],
    ['came from', status.source],
    ['had by', strategy && `${strategy.grant} (${strategy.format}) at ${strategy.endpoint}`],
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
  const state = paint(colours[status.state], status.state)
  return [`${paint('bold', sanitize(status.service))}: ${state}${left}`, ...lines].join('\n')
}
