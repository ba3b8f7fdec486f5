import type { RefusedBy } from '../support/global-state'

/** The longest that a verdict may take, with all that is read of the answer for it. */
const timeoutMs = 5_000

/** Those that were reported. */
const faulty = new WeakSet<RefusedBy>()

// As it was when this file was loaded: fake timers in tests replace it later.
const { setTimeout, clearTimeout } = globalThis

/**
 * Whether `refusedBy` says that this answer refuses the token. It is given a copy: the answer itself can be read in
 * full, whatever becomes of the copy. Where it throws, rejects or takes too long, the token was not refused.
 *
 * @param report Is told once what went wrong; must not throw.
 */
export async function isRefusedBy(
  refusedBy: RefusedBy,
  response: Response,
  report: (error: unknown) => void,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  let copy: Copy | undefined
  try {
    const { given } = (copy = copyOf(response))
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no verdict within ${timeoutMs} ms`)), timeoutMs)
    })
    return Boolean(await Promise.race([(async () => refusedBy(given))(), late]))
  } catch (error) {
    if (!faulty.has(refusedBy)) report(error)
    faulty.add(refusedBy)
    return false
  } finally {
    clearTimeout(timer)
    copy?.release()
  }
}

interface Copy {
  given: Response
  /** Lets go of what was not read: else it would be kept for as long as the answer is read. */
  release(): void
}

/**
 * A copy whose body is ours to end. A clone's own body cannot be ended while somebody reads it, and an answer without
 * an end would be read for ever.
 */
function copyOf(response: Response): Copy {
  const clone = response.clone()
  if (clone.body === null) return { given: clone, release: () => {} }
  const reader = clone.body.getReader()
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        stream = controller
      },
      pull: async (controller) => {
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
  const { status, statusText, headers, url, redirected } = clone
  const given = new Response(body, { status, statusText, headers })
  // What a Response that is made by hand cannot be given.
  for (const [name, value] of Object.entries({ url, redirected }))
    Object.defineProperty(given, name, { value })
  const release = (): void => {
    try {
      // Not an error: whoever reads on without being waited for would reject with it, and nobody would catch that.
      stream?.close()
    } catch {
      // It was read to its end, or cancelled.
    }
    reader.cancel().catch(() => {})
  }
  return { given, release }
}
