// Next.js calls this once when a server starts, before the first request.
export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { initializeTokenService, startTokenScheduler } = await import('evertoken')
  initializeTokenService()
  startTokenScheduler()
}
