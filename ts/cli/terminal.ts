/** Output to the terminal: colors only if it shows them, and a spinner for long steps. */

import type { TokenError } from '../../index'

type Color = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const codes: Readonly<Record<Color, [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
}

/** https://no-color.org, and `FORCE_COLOR` for pipes into a pager. */
function hasColors(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0'
  return process.stdout.isTTY && TERM !== 'dumb'
}

export function paint(color: Color, text: string): string {
  if (!hasColors()) return text
  const [on, off] = codes[color]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** The longest value that is printed. */
const longestValue = 1000

/** Controls (line ends and escape sequences among them), bidirectional overrides, invisible characters, line separators. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/**
 * A value from outside (an endpoint, a store, the environment, a file) as part of one line: anything that would move the
 * cursor, color or hide text, or start another line is replaced with `�`.
 */
export function sanitize(value: string): string {
  const shown = value.length > longestValue ? `${value.slice(0, longestValue)}…` : value
  return shown.replaceAll('\t', ' ').replace(unprintable, '\ufffd')
}

/** JSON that means the same to a program, without control characters for the terminal. */
export function sanitizeJson(value: unknown): string {
  const escaped = (text: string): string =>
    Array.from(
      { length: text.length },
      (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join('')
  // The remaining line ends are those between the lines of the JSON.
  return JSON.stringify(value, null, 2).replace(unprintable, (found) =>
    found === '\n' ? found : escaped(found),
  )
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Prints trusted text about what goes on to stderr, apart from the result on stdout. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Prints an error in one line; `more` is trusted text for the lines below it. */
export function printError(message: string, more = ''): void {
  process.stderr.write(`evertoken: ${sanitize(message)}${more === '' ? '' : `\n${more}`}\n`)
}

/** The token server's error text in one line, without what the message contains. The core has sanitized it. */
export function serverErrorText({ message, serverError = {} }: TokenError): string | undefined {
  const { error, description, uri } = serverError
  const code =
    error !== undefined && description === undefined && message.includes(`(${error})`) ? undefined : error
  const sentence = [code, description].filter((part) => part !== undefined).join(': ')
  const words = [sentence, uri && `(${uri})`].filter(Boolean).join(' ')
  return words === '' ? undefined : `The server said: ${words}`
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** Shows a spinner until `work` ends, if stderr is a terminal. */
export async function withSpinner<T>(what: string, work: Promise<T>): Promise<T> {
  const { stderr } = process
  if (!stderr.isTTY) return work
  let turn = 0
  const spinner = setInterval(() => {
    stderr.write(`\r${frames[((turn += 1)) % frames.length]} ${what}`)
  }, 80)
  try {
    return await work
  } finally {
    clearInterval(spinner)
    stderr.write('\r\u001b[K')
  }
}

/** A duration in its two largest units. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const units = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const
  const first = units.findIndex(([count]) => count > 0)
  if (first === -1) return '0 s'
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}
