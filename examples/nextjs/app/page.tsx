import Link from 'next/link'
import { connection } from 'next/server'
import { fetchOrders } from '@/lib/orders'

export default async function Page() {
  await connection()
  const orders = await fetchOrders().catch((error: Error) => error)
  return (
    <>
      <h1>Orders</h1>
      {orders instanceof Error ? (
        <p>The orders are not available right now: {orders.message}.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Order</th>
              <th>Customer</th>
              <th>Total</th>
            </tr>
          </thead>
          <tbody>
            {orders.map((order) => (
              <tr key={order.id}>
                <td>{order.id}</td>
                <td>{order.customer}</td>
                <td>{order.total}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p>
        They come from an API that wants an access token; <Link href="/dashboard">the dashboard</Link> shows
        it live.
      </p>
    </>
  )
}
