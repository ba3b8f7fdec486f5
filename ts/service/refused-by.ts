import type { RefusedBy } from '../support/global-state'

/** How long a verdict may take, including what it reads of the response. */
const timeoutMs = 5_000

/** The functions whose failure was reported. */
const faulty = new WeakSet<RefusedBy>()

// As it was when this file was loaded: fake timers in tests replace it later.
const { setTimeout, clearTimeout } = globalThis

/**
 * Whether `refusedBy` says that this response refuses the token. It receives a copy, so that the response itself can
 * still be read in full. If it throws, rejects or takes too long, the token was not refused.
 *
 * @param report Receives the first error; must not throw.
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
      timer = setTimeout(
        () => reject(new Error(`it did not return a result within ${timeoutMs} ms`)),
        timeoutMs,
      )
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
  /** Releases what was not read, which would otherwise be kept while the response is read. */
  release(): void
}

/**
 * A copy whose body can be closed here. A clone's own body cannot be closed while it is being read, and a response
 * without an end would be read forever.
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
  // The constructor of Response does not take these.
  for (const [name, value] of Object.entries({ url, redirected }))
    Object.defineProperty(given, name, { value })
  const release = (): void => {
    try {
      // Not an error: a read that no one awaits would reject with it, unhandled.
      stream?.close()
    } catch {
      // It was read to its end, or canceled.
    }
    reader.cancel().catch(() => {})
  }
  return { given, release }
}
