import { useEffect, useState } from 'react'

/** The browser's clock in milliseconds, read once a second while the page is visible; `null` on the server. */
export function useNow(): number | null {
  const [now, setNow] = useState<number | null>(null)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const tick = () => {
      clearTimeout(timer)
      const at = Date.now()
      setNow(at)
      // At the start of each second, so that all seconds shown take equally long.
      if (document.visibilityState !== 'hidden') timer = setTimeout(tick, 1_000 - (at % 1_000))
    }
    tick()
    document.addEventListener('visibilitychange', tick)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', tick)
    }
  }, [])
  return now
}
