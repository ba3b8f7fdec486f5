import { createHmac, timingSafeEqual } from 'node:crypto'
import { cookies } from 'next/headers'

const cookieName = 'admin'
const sessionSeconds = 8 * 60 * 60

/**
 * Whether a request may see the token's state and refresh or clear it. That takes EVERTOKEN_ADMIN_SECRET: a user signs
 * in with it and gets a cookie, a program sends it as a bearer token. Without it, only development is open.
 */
export async function mayAdminister(request: Request): Promise<boolean> {
  return (await isAdmin()) || isSecret(request.headers.get('authorization')?.match(/^Bearer (.+)$/i)?.[1])
}

/** Whether the user who looks at a page is signed in; in development without a secret everybody is. */
export async function isAdmin(): Promise<boolean> {
  if (process.env.NODE_ENV === 'development' && adminSecret() === '') return true
  const [until = '', proof = ''] = (await cookies()).get(cookieName)?.value.split('.') ?? []
  return Number(until) > Date.now() && isEqual(proof, proofOf(until))
}

/** Signs in a user who knows the secret. The cookie contains a proof of it that expires, not the secret itself. */
export async function signIn(secret: string, isHttps: boolean): Promise<boolean> {
  if (!isSecret(secret)) return false
  const until = String(Date.now() + sessionSeconds * 1000)
  const options = { httpOnly: true, sameSite: 'strict', secure: isHttps, maxAge: sessionSeconds } as const
  ;(await cookies()).set(cookieName, `${until}.${proofOf(until)}`, options)
  return true
}

function isSecret(given: string | undefined): boolean {
  // Without a secret, no one gets in: an empty one matches nothing.
  return adminSecret() !== '' && given !== undefined && isEqual(given, adminSecret())
}

function proofOf(until: string): string {
  return adminSecret() === ''
    ? ''
    : createHmac('sha256', adminSecret()).update(`admin until ${until}`).digest('hex')
}

function isEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return one !== '' && timingSafeEqual(digest(one), digest(other))
}

const adminSecret = () => process.env.EVERTOKEN_ADMIN_SECRET ?? ''
