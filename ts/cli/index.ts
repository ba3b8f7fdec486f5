#!/usr/bin/env node
/** `npx evertoken`: finds the command, and runs it. Each command is a file of its own. */

import { UsageError, type Command } from './command'
import { keygen } from './keygen'

const commands: ReadonlyMap<string, Command> = new Map([['keygen', keygen]])

function help(): string {
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  const options = '  --help    print this, or the help of a command\n  --version print the version'
  return `Usage: evertoken <command>\n\n${lines.join('\n')}\n\n${options}\n`
}

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h'
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--version' || name === '-v') {
    const { version } = require('../../package.json') as { version: string }
    process.stdout.write(`${version}\n`)
    return 0
  }
  if (isHelp(name)) {
    process.stdout.write(help())
    return 0
  }
  if (name === undefined) throw new UsageError('no command was given')
  const command = commands.get(name)
  if (!command) throw new UsageError(`there is no command ${JSON.stringify(name)}`)
  if (args.some(isHelp)) {
    process.stdout.write(`Usage: evertoken ${name}\n\n${command.help}\n`)
    return 0
  }
  return command.run(args)
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`evertoken: ${error.message}\n\n${help()}`)
    process.exitCode = 2
  },
)
