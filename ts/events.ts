import type { TokenEvent } from '../index'
import { channel } from 'node:diagnostics_channel'
import { environment } from './environment'
import { writeLine, type Line } from './logging'
import { describedError, native, type ErrorDescription } from './native'

type EventMessage = {
  kind: 'event'
  id: number
  event: Omit<TokenEvent, 'error'> & { error?: ErrorDescription }
}
type LogMessage = { kind: 'log'; id: number } & Omit<Line, 'service'>

let isListening = false

/**
 * Hears the core's messages from now on: events go to `tell`, and in one copy of this package for all in this
 * environment to `diagnostics_channel`, as log lines go to loggers. Calling it again does nothing.
 */
export function listen(tell: (id: number, event: TokenEvent) => void): void {
  if (isListening) return
  const shared = environment()
  const isPublisher = !shared.hasPublisher
  native().subscribe((text) => {
    const message = JSON.parse(text) as EventMessage | LogMessage
    if (message.kind === 'event') {
      const event = eventFrom(message)
      tell(message.id, event)
      if (isPublisher) channel(`evertoken:${event.type}`).publish(event)
    } else if (isPublisher && message.kind === 'log') {
      const to = shared.loggers.get(message.id)
      if (to)
        writeLine(to.logger, {
          service: to.service,
          level: message.level,
          message: message.message,
          fields: message.fields,
        })
    }
  })
  shared.hasPublisher = true
  isListening = true
}

function eventFrom({ event }: EventMessage): TokenEvent {
  const { error, ...rest } = event
  return Object.freeze(error ? { ...rest, error: describedError(error, rest.service) } : rest)
}
