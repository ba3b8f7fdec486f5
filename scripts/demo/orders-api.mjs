// The API behind the example: it gives its orders only for a token that it has verified (RFC 6750 §2.1, §3).
import { answer, listen } from './listen.mjs'

const orders = [
  { id: '1041', customer: 'Ada Lovelace', total: '€ 240.00' },
  { id: '1042', customer: 'Grace Hopper', total: '€ 99.50' },
  { id: '1043', customer: 'Barbara Liskov', total: '€ 1,250.00' },
]

/** Starts it; `verify` rejects for a token that is not good. */
export async function startOrdersApi({ verify }) {
  const { origin, stop } = await listen(async (request, response) => {
    if (new URL(request.url, 'http://orders').pathname !== '/orders')
      return answer(response, 404, { error: 'not_found' })
    const [, token] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? []
    try {
      if (token === undefined) throw new Error('no token')
      await verify(token)
    } catch {
      return answer(
        response,
        401,
        { error: 'invalid_token' },
        { 'www-authenticate': 'Bearer error="invalid_token"' },
      )
    }
    answer(response, 200, orders)
  })
  return { url: `${origin}/orders`, stop }
}
