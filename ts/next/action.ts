/** The second argument of a route handler in Next.js: since version 15, with a promise of the parameters. */
export interface TokenRouteContext {
  // biome-ignore lint/suspicious/noExplicitAny: each route has its own type of parameters, and Next.js checks against it.
  readonly params: Promise<any>
}

/**
 * The segments below the folder of the route: `['status']`, or `[]` for the folder itself.
 *
 * They come from the catch-all parameter, under any name. Without one, as when a handler is called directly, they are
 * what follows the last `token` of the path, else its last segment.
 */
export async function actionOf(request: Request, context: unknown): Promise<string[]> {
  return (await fromParams(context)) ?? fromUrl(request.url)
}

async function fromParams(context: unknown): Promise<string[] | undefined> {
  if (!isRecord(context)) return undefined
  const params = await context['params']
  if (!isRecord(params)) return undefined
  // Folders above may have parameters, too, which are strings. The catch-all is the only list, and absent if empty.
  const values = Object.values(params)
  const list = values.find(Array.isArray)
  if (list !== undefined) return list.map(String)
  const action = params['action']
  if (typeof action === 'string') return [action]
  return values.length === 0 ? [] : undefined
}

function fromUrl(url: string): string[] {
  const segments = new URL(url, 'http://localhost').pathname.split('/').filter((segment) => segment !== '')
  const mount = segments.lastIndexOf('token')
  return mount === -1 ? segments.slice(-1) : segments.slice(mount + 1)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
