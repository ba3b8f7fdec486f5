'use client'

import { useEffect, useRef } from 'react'

export function SignInForm({ action }: { action: (form: FormData) => Promise<void> }) {
  const form = useRef<HTMLFormElement>(null)
  const input = useRef<HTMLInputElement>(null)

  // A link such as /sign-in#secret signs in by itself. What follows the # is never sent to a server or into its log.
  useEffect(() => {
    const secret = decodeURIComponent(window.location.hash.slice(1))
    if (secret === '' || !input.current) return
    window.history.replaceState(null, '', window.location.pathname)
    input.current.value = secret
    form.current?.requestSubmit()
  }, [])

  return (
    <form action={action} ref={form}>
      <label>
        Admin secret
        <input name="secret" type="password" autoComplete="current-password" required ref={input} />
      </label>
      <button type="submit">Sign in</button>
    </form>
  )
}
