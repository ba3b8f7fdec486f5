import type { NextConfig } from 'next'
import { withEvertoken } from 'evertoken/next'

const nextConfig: NextConfig = {
  output: 'standalone',
}

export default withEvertoken(nextConfig)
