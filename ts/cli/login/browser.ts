import { spawn } from 'node:child_process'
import { envTable } from '../../support/env-table'

/** Why no browser is opened here; `undefined` if one can be. */
export function whyNoBrowser(env: NodeJS.ProcessEnv = process.env): 'remote' | 'no display' | undefined {
  if ([env['SSH_CONNECTION'], env['SSH_CLIENT'], env['SSH_TTY']].some(Boolean)) return 'remote'
  const hasDisplay = [env['DISPLAY'], env['WAYLAND_DISPLAY'], env['WSL_DISTRO_NAME']].some(Boolean)
  return process.platform === 'linux' && !hasDisplay ? 'no display' : undefined
}

/** Opens the default browser. Calls back if that fails at once; a browser that hangs is not noticed. */
export function openBrowser(url: string, onFailure: () => void): void {
  const [command, ...args] = opener(process.platform)
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true, env: environment() })
  child.on('error', onFailure)
  child.on('exit', (code) => {
    if (code !== 0 && code !== null) onFailure()
  })
  child.unref()
}

function opener(platform: NodeJS.Platform): [command: string, ...args: string[]] {
  if (platform === 'darwin') return ['open']
  // Not `start`, which is a command of the shell: there, every & of the URL would begin another command.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return ['xdg-open']
}

/** The environment without evertoken's secrets: a browser and its extensions have no use for them. */
function environment(): NodeJS.ProcessEnv {
  const secrets = new Set<string>(envTable.filter(({ isSecret }) => isSecret).map(({ name }) => name))
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !secrets.has(name)))
}
