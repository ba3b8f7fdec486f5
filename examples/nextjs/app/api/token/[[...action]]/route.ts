import { createTokenRoutes } from 'evertoken/next'
import { mayAdminister } from '@/lib/admin'

export const { GET, POST, DELETE } = createTokenRoutes({ authorize: mayAdminister })
