import type { TokenStatus } from '../../index'
import { tokenStates } from '../support/defaults'

/** The content type of the Prometheus text format. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

type Labels = Record<string, string>
type Sample = readonly [value: number | boolean | null, labels?: Labels]

/**
 * A status in the Prometheus text format, version 0.0.4. Durations and timestamps are in seconds, counters end in
 * `_total`, and unknown values are left out.
 */
export function metrics(status: TokenStatus): string {
  const { counters, scheduler, storage } = status
  const gauge = (name: string, help: string, ...samples: Sample[]) =>
    family(status, name, 'gauge', help, samples)
  const counter = (name: string, help: string, value: number) =>
    family(status, name, 'counter', help, [[value]])
  return [
    gauge('healthy', 'Whether the service is healthy.', [status.healthy]),
    gauge(
      'token_state',
      'The state of the token: 1 for the current state.',
      ...tokenStates.map((state): Sample => [state === status.state, { state }]),
    ),
    gauge('token_expires_in_seconds', 'The remaining lifetime of the token.', [status.expiresInSeconds]),
    gauge('token_issued_timestamp_seconds', 'When the token was issued.', [seconds(status.issuedAt)]),
    gauge('token_refresh_timestamp_seconds', 'When the refresh of the token is due.', [
      seconds(status.refreshAt),
    ]),
    gauge('token_expiry_timestamp_seconds', 'When the token expires.', [seconds(status.expiresAt)]),
    gauge('refresh_token_expires_timestamp_seconds', 'When the refresh token expires.', [
      seconds(status.refreshTokenExpiresAt),
    ]),
    gauge('consent_ended_timestamp_seconds', 'When the consent ended; absent while it lasts.', [
      seconds(status.consentEndedAt),
    ]),
    gauge('last_refresh_timestamp_seconds', 'When the last successful token request was.', [
      seconds(status.lastRefreshAt),
    ]),
    gauge('consecutive_failures', 'Failures in a row.', [status.consecutiveFailures]),
    gauge('last_error_timestamp_seconds', 'When the last failure was; absent after a success.', [
      seconds(status.lastError?.at ?? null),
      status.lastError === null ? {} : { code: status.lastError.code },
    ]),
    counter('token_requests_total', 'HTTP requests for a token.', counters.tokenRequests),
    counter('refreshes_total', 'New tokens obtained.', counters.refreshes),
    counter('failures_total', 'Attempts that obtained no token.', counters.failures),
    counter('store_hits_total', 'Tokens taken from the store.', counters.storeHits),
    counter(
      'retries_on_401_total',
      'Responses with 401 after which a newer token was available.',
      counters.retriesOn401,
    ),
    gauge('scheduler_running', 'Whether the scheduler is running.', [scheduler.running]),
    gauge('scheduler_next_refresh_timestamp_seconds', 'When the next background refresh is due.', [
      seconds(scheduler.nextRefreshAt),
    ]),
    gauge('scheduler_last_health_check_timestamp_seconds', 'When the last health check was.', [
      seconds(scheduler.lastHealthCheckAt),
    ]),
    gauge('storage_healthy', 'Whether the store works.', [storage.healthy, { kind: storage.kind }]),
  ].join('')
}

function family(
  status: TokenStatus,
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  samples: Sample[],
): string {
  const lines = samples.flatMap(([value, labels = {}]) =>
    value === null
      ? []
      : [`evertoken_${name}${formatLabels({ service: status.service, ...labels })} ${Number(value)}\n`],
  )
  if (lines.length === 0) return ''
  return `# HELP evertoken_${name} ${help}\n# TYPE evertoken_${name} ${type}\n${lines.join('')}`
}

function formatLabels(labels: Labels): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')}}`
}

/** A backslash, a quote and a line end are escaped in the value of a label. */
function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function seconds(moment: string | null): number | null {
  if (moment === null) return null
  const milliseconds = Date.parse(moment)
  return Number.isNaN(milliseconds) ? null : milliseconds / 1000
}
