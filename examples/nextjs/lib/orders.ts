import { getTokenService, initializeTokenService } from 'evertoken'

export interface Order {
  id: string
  customer: string
  total: string
}

/** The orders, from an API that wants a token. */
export async function fetchOrders(): Promise<Order[]> {
  const url = process.env.ORDERS_API_URL
  if (!url) throw new Error('ORDERS_API_URL is not set')
  const tokens = getTokenService() ?? initializeTokenService()
  // As fetch, with the header; if the API refuses the token early, once more with a new one.
  const response = await tokens.fetch(url, { cache: 'no-store' })
  if (!response.ok) throw new Error(`the orders API answered ${response.status}`)
  return response.json()
}
