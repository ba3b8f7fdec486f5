/** A shorter interval would only load the server. */
const shortestMs = 500

/** The longest delay of a timer. */
const longestMs = 2 ** 31 - 1

/**
 * Calls `load` now, and `intervalMs` after each call has ended, while the page is visible, and at once when the page
 * becomes visible again. If `load` resolves to a longer pause, that applies. The returned function stops it.
 */
export function startPolling(load: () => Promise<number>, intervalMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isLoading = false
  let isStopped = false

  const isHidden = () => document.visibilityState === 'hidden'

  const turn = async () => {
    clearTimeout(timer)
    if (isLoading || isStopped) return
    isLoading = true
    const pause = Math.max(await load(), intervalMs, shortestMs)
    isLoading = false
    // Not a fixed rate: a slow server gets no further request before it has responded.
    if (intervalMs > 0 && !isStopped && !isHidden()) timer = setTimeout(turn, Math.min(pause, longestMs))
  }

  const changed = () => {
    if (isHidden()) clearTimeout(timer)
    else if (intervalMs > 0) void turn()
  }

  document.addEventListener('visibilitychange', changed)
  if (!isHidden() || intervalMs <= 0) void turn()
  return () => {
    isStopped = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', changed)
  }
}
