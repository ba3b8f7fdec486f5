import type { ReactElement } from 'react'
import { useActions } from './actions.js'
import { Card } from './card.js'
import { Tabs } from './tabs.js'
import { useNow } from './use-now.js'
import { useTokenStatus, type UseTokenStatusOptions } from './use-token-status.js'

/** Where the status comes from, and how the component fits into the page. */
export interface TokenMonitorProps extends UseTokenStatusOptions {
  /** The heading. Default `Access token`. */
  title?: string | undefined
  /** A class for the outer element, in addition to its own. */
  className?: string | undefined
  /**
   * The nonce of the request, where a Content-Security-Policy wants one for styles (`style-src 'nonce-…'`). Without it
   * the card is unstyled there, with the same content.
   */
  nonce?: string | undefined
  /** Light or dark. Default `auto`: the setting of the reader's system. */
  theme?: 'auto' | 'light' | 'dark' | undefined
  /**
   * Several services, each with its own routes (`createTokenRoutes({ service })`), as tabs; instead of `endpoint`.
   */
  services?: readonly TokenMonitorService[] | undefined
}

/** One of several services. */
export interface TokenMonitorService {
  /** The label of its tab. */
  name: string
  /** Where its routes are. */
  endpoint: string
}

/**
 * The state of the token on a card: the state as a word, a color and a sign, its lifetime and the time left, the scheduler,
 * the store, the last error with advice, and the last refreshes, with buttons to refresh and to clear.
 *
 * It needs no CSS framework, follows the reader's light or dark setting, and takes its colors from the variables
 * `--evertoken-surface`, `-text`, `-muted`, `-border`, `-accent`, `-accent-text`, `-good`, `-warn`, `-bad`, `-idle`,
 * `-radius` and `-font` where the page sets them. While the endpoint is unreachable, the last status stays, with a
 * notice.
 *
 * @example
 * ```tsx
 * import { TokenMonitor } from 'evertoken/react'
 *
 * export default function Page() {
 *   return <TokenMonitor endpoint="/api/token" refreshIntervalMs={5000} />
 * }
 * ```
 */
export function TokenMonitor(props: TokenMonitorProps): ReactElement {
  const { services = [], ...rest } = props
  const [only] = services
  // With a key: the result of an action belongs to one service.
  if (services.length < 2) {
    const { endpoint } = only ?? rest
    return <Monitor key={endpoint} {...rest} endpoint={endpoint} />
  }
  return (
    <Tabs names={services.map(({ name }) => name)} theme={rest.theme} nonce={rest.nonce}>
      {(chosen) => <Monitor {...rest} endpoint={services[chosen]!.endpoint} />}
    </Tabs>
  )
}

function Monitor({
  title = 'Access token',
  className,
  nonce,
  theme,
  ...options
}: TokenMonitorProps): ReactElement {
  const view = useTokenStatus(options)
  const now = useNow()
  const actions = useActions(view)
  return <Card {...{ view, actions, now, title, className, nonce, theme }} />
}
