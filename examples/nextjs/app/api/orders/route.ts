import { fetchOrders } from '@/lib/orders'

export async function GET() {
  try {
    return Response.json(await fetchOrders())
  } catch (error) {
    console.error(error)
    return Response.json({ error: 'the orders are not available right now' }, { status: 502 })
  }
}
