#!/usr/bin/env node
/** `npx evertoken`: finds the command and runs it. Each command has its own file. */

import { TokenError } from '../support/errors'
import { clear } from './clear'
import { UsageError, type Command } from './command'
import { doctor } from './doctor'
import { init } from './init'
import { keygen } from './keygen'
import { login } from './login'
import { refresh, status } from './status'
import { printError, print, sanitize, serverErrorText } from './terminal'

const commands: ReadonlyMap<string, Command> = new Map(
  Object.entries({ init, doctor, login, status, refresh, clear, keygen }),
)

function help(): string {
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  const options = '  --help    print this help, or the help of a command\n  --version print the version'
  return `Usage: evertoken <command>\n\n${lines.join('\n')}\n\n${options}`
}

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h'
}

/** The command that was probably meant: one letter too many, too few or wrong, or two swapped. */
function nearest(word: string): string | undefined {
  const isNear = (other: string): boolean => {
    let start = 0
    while (start < word.length && word[start] === other[start]) start += 1
    const [rest, wanted] = [word.slice(start), other.slice(start)]
    const swapped = wanted.slice(1, 2) + wanted.slice(0, 1) + wanted.slice(2)
    return (
      rest.slice(1) === wanted ||
      rest === wanted.slice(1) ||
      rest.slice(1) === wanted.slice(1) ||
      rest === swapped
    )
  }
  return [...commands.keys()].find((name) => name.startsWith(word) || isNear(name))
}

/** The server's error text, and the page that explains the error. */
function detailsOf(error: TokenError): string {
  const lines = [serverErrorText(error), error.help].filter((line) => line !== undefined)
  return lines.map(sanitize).join('\n')
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if ([name, ...args].some((word) => word === '--version' || word === '-v')) {
    const { version } = require('../../package.json') as { version: string }
    print(version)
    return 0
  }
  if (isHelp(name)) {
    print(help())
    return 0
  }
  if (name === undefined) throw new UsageError('no command was given')
  const command = commands.get(name)
  if (!command) {
    const meant = nearest(name)
    throw new UsageError(
      `there is no command ${JSON.stringify(name)}${meant ? `; did you mean ${meant}?` : ''}`,
    )
  }
  if (args.some(isHelp)) {
    print(`Usage: evertoken ${[name, command.usage].filter(Boolean).join(' ')}\n\n${command.help}`)
    return 0
  }
  return command.run(args)
}

function stackOf(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return text.split('\n').map(sanitize).join('\n')
}

// The reader may close the pipe early: `evertoken --help | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.exitCode = error instanceof UsageError ? 2 : 1
    if (error instanceof UsageError) printError(error.message, `\n${help()}`)
    else if (error instanceof TokenError) printError(`${error.code}: ${error.message}`, detailsOf(error))
    else printError('this is a bug in evertoken; please report it', stackOf(error))
  },
)
