// Child processes: shown while they run, remembered for their closing lines, never left behind.
import { spawn } from 'node:child_process'
import { root } from './root.mjs'

const windows = process.platform === 'win32'

/**
 * Runs a program to its end and resolves with `{ code, output }`; `code` is null when it was killed or could not
 * start. It reads nothing from standard input.
 *
 * `quiet` keeps its output from the terminal. `limitMs` ends it, with all it has started, when it takes longer.
 */
export function run(command, args, { cwd = root, env = {}, quiet = false, limitMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that the limit also reaches the children of the child.
      detached: !windows,
    })
    let output = ''
    for (const [stream, out] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
        if (!quiet) out.write(text)
      })
    }
    const stop = () => (windows ? child.kill('SIGKILL') : killGroup(child.pid))
    const timer =
      limitMs === undefined
        ? undefined
        : setTimeout(() => {
            output += `\n${command} was ended: it took longer than ${Math.round(limitMs / 60_000)} minutes\n`
            stop()
          }, limitMs)
    // In a group of its own the child does not hear the terminal's Ctrl-C.
    const interrupt = (signal) => {
      stop()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    }
    process.once('SIGINT', interrupt)
    process.once('SIGTERM', interrupt)
    const finish = (code) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
      resolve({ code, output })
    }
    child.once('error', (error) => {
      output += `${command} did not start: ${error.message}\n`
      finish(null)
    })
    child.once('close', finish)
  })
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It had ended by itself.
  }
}

/** As `run`, and throws with the last lines of the output when the program fails. */
export async function mustRun(command, args, options = {}) {
  const result = await run(command, args, options)
  if (result.code === 0) return result
  const tail = options.quiet ? `\n${result.output.trimEnd().split('\n').slice(-20).join('\n')}` : ''
  throw new Error(`\`${[command, ...args].join(' ')}\` failed (${result.code ?? 'killed'})${tail}`)
}

/** Program and arguments that run npm: through Node itself where possible, for Windows cannot spawn `npm.cmd`. */
export function npm(...args) {
  const cli = process.env.npm_execpath
  if (cli !== undefined && /npm-cli\.c?js$/.test(cli)) return [process.execPath, [cli, ...args]]
  return windows ? ['cmd', ['/d', '/s', '/c', 'npm', ...args]] : ['npm', args]
}
