import { envTable, type EnvVariable } from '../../support/env-table'

/** What `evertoken init` writes. It is valid as TypeScript and as JavaScript. */

export const route = `import { createTokenRoutes } from 'evertoken/next'

// Outside development, requests need \`Authorization: Bearer $EVERTOKEN_ADMIN_SECRET\`, or your own \`authorize\`.
export const { GET, POST, DELETE } = createTokenRoutes()
`

export const registration = `  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { initializeTokenService, startTokenScheduler } = await import('evertoken')
    initializeTokenService()
    startTokenScheduler()
  }
`

export const instrumentation = `export async function register() {
${registration}}
`

export const page = `import { TokenMonitor } from 'evertoken/react'

export default function TokenPage() {
  return <TokenMonitor endpoint="/api/token" />
}
`

export const nextConfig = `import { withEvertoken } from 'evertoken/next'

export default withEvertoken({})
`

export const dotenvExample = (envTable as readonly EnvVariable[])
  .filter(({ example }) => example !== undefined)
  .map(({ name, example }) => `${example === '' ? '' : `# ${example}\n`}${name}=\n`)
  .join('')

export const prismaModel = `model TokenCache {
  id           String   @id @default(cuid())
  service      String   @unique
  token        String
  expiresAt    DateTime
  refreshToken String?
  tokenType    String   @default("Bearer")
  createdAt    DateTime @default(now())
  lastUsed     DateTime @default(now())

  @@map("token_cache")
}
`

export const migration = `// Replaces the earlier service at this path, so that existing imports keep working.
export {
  TokenError,
  TokenService,
  getAuthHeaders,
  getTokenService,
  initializeTokenService,
  startTokenScheduler,
  stopTokenScheduler,
} from 'evertoken'
`
