import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { TokenError } from '../../support/errors'
import { optionsOf, type Command } from '../command'
import { paint, print, sanitize } from '../terminal'
import { findApp, type App } from './app'
import { diff } from './diff'
import type { Piece } from './piece'
import { piecesFor } from './pieces'

type Change = Extract<Piece, { after: string }>

export const init: Command = {
  summary: 'add evertoken to a Next.js app',
  usage: '[--prisma] [--migrate] [--yes]',
  help: `Writes the route, the instrumentation, a page with the monitor, next.config and .env.example, and a new encryption key
into .env.local. It shows the changes and asks first. It never replaces an existing file, and adds lines to one only if it is clear where they belong.

  --prisma         also adds the model of the token table to prisma/schema.prisma
  --migrate        also writes lib/services/token-refresh-service, which re-exports the functions of evertoken
  --yes            does not ask`,
  async run(args) {
    const { prisma, migrate, yes } = optionsOf('init', args, {
      prisma: { type: 'boolean', default: false },
      migrate: { type: 'boolean', default: false },
      yes: { type: 'boolean', short: 'y', default: false },
    })
    const app = findApp(process.cwd())
    const pieces = piecesFor(app, { prisma, migrate })
    const changes = pieces.filter((piece): piece is Change => 'after' in piece)
    for (const piece of pieces) print(`${describe(piece)}\n`)
    if (changes.length > 0 && !yes && !(await confirm())) {
      print('Nothing was written.')
      return 1
    }
    for (const change of changes) write(app, change)
    print(nextSteps(app, changes.length, pieces.length - changes.length, prisma))
    return 0
  },
}

function write({ folder }: App, { path, before, after: text, shown }: Change): void {
  try {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    // A file that was created in the meantime stays.
    if (before === null) {
      writeFileSync(join(folder, path), text, { flag: 'wx', mode: shown === undefined ? 0o666 : 0o600 })
      return
    }
    const lineEnd = readFileSync(join(folder, path), 'utf8').includes('\r\n') ? '\r\n' : '\n'
    writeFileSync(join(folder, path), text.replaceAll('\n', lineEnd))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new TokenError(
      'ERR_TOKEN_CONFIG',
      `${path} cannot be written (${code}), so init did not write the files after it either`,
      { cause },
    )
  }
}

function describe(piece: Piece): string {
  if (!('after' in piece))
    return `${paint('yellow', '!')} ${sanitize(piece.path)} ${piece.advice.replace(/\n(?=.)/g, '\n    ')}`
  const { path, before, after, shown } = piece
  const colors = { '+': 'green', '-': 'red' } as const
  const lines = (shown ?? diff(before ?? '', after)).map((line) => {
    const color = colors[line[0] as keyof typeof colors]
    const text = sanitize(line)
    return `    ${color ? paint(color, text) : text}`
  })
  return [`${paint('bold', sanitize(path))} ${before === null ? '(new)' : '(changed)'}`, ...lines].join('\n')
}

async function confirm(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    print('Cannot ask for confirmation without a terminal. Use --yes to write without asking.')
    return false
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  // Ctrl-C and Ctrl-D count as no.
  const unanswered = new AbortController()
  terminal.once('SIGINT', () => terminal.close()).once('close', () => unanswered.abort())
  const answer = await terminal
    .question('Write these changes? [y/N] ', { signal: unanswered.signal })
    .catch(() => '\n')
  terminal.close()
  return /^y(es)?$/i.test(answer.trim())
}

function nextSteps(app: App, written: number, left: number, prisma: boolean): string {
  const steps = [
    ...(app.hasEvertoken ? [] : ['npm install evertoken']),
    ...(left > 0 ? ['resolve the items marked ! above'] : []),
    ...(prisma
      ? ['npx prisma migrate dev, and initializeTokenService({}, true, prisma) in the instrumentation']
      : []),
    'set the credentials in .env.local; .env.example lists the variables',
    'npx evertoken doctor',
    'npm run dev, and open /token',
  ]
  const head =
    written === 0 ? 'All files already exist.' : `${written} ${written === 1 ? 'file' : 'files'} written.`
  return [`${head} Next:`, ...steps.map((step, at) => `  ${at + 1}. ${step}`)].join('\n')
}
