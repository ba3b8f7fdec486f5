/** A shorter interval would only load the server. */
const shortestMs = 500

/** Timers take no longer pause. */
const longestMs = 2 ** 31 - 1

/**
 * Calls `load` now, and `intervalMs` after each end of it, while the page is visible; a page that becomes visible
 * again calls at once. Where `load` resolves to a longer pause, that one is kept. The result ends it.
 */
export function startPolling(load: () => Promise<number>, intervalMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isLoading = false
  let isOver = false

  const isHidden = () => document.visibilityState === 'hidden'

  const turn = async () => {
    clearTimeout(timer)
    if (isLoading || isOver) return
    isLoading = true
    const pause = Math.max(await load(), intervalMs, shortestMs)
    isLoading = false
    // Not a fixed rate: a slow server is not asked again before it has answered.
    if (intervalMs > 0 && !isOver && !isHidden()) timer = setTimeout(turn, Math.min(pause, longestMs))
  }

  const changed = () => {
    if (isHidden()) clearTimeout(timer)
    else if (intervalMs > 0) void turn()
  }

  document.addEventListener('visibilitychange', changed)
  if (!isHidden() || intervalMs <= 0) void turn()
  return () => {
    isOver = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', changed)
  }
}
