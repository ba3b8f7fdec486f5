import type { TokenEvent } from '../../index'
import { channel } from 'node:diagnostics_channel'
import { globalState, type GlobalState } from '../support/global-state'
import { writeLine, type Line } from './logging'
import { errorFrom, native, type ErrorDescription } from '../binding/native'

export type EventMessage = {
  kind: 'event'
  id: number
  event: Omit<TokenEvent, 'error'> & { error?: ErrorDescription }
}
export type EndMessage = { kind: 'ended'; id: number }
export type LogMessage = { kind: 'log'; id: number } & Omit<Line, 'service'>

let isListening = false

/** The receiver of the core's messages, in addition to `diagnostics_channel` and loggers. */
interface EventSink {
  emit(id: number, event: TokenEvent): void
  /** The service has ended, here or by another copy of the package: no more messages will come. */
  end(id: number): void
}

/**
 * Subscribes to the core's messages. One copy of this package publishes events on `diagnostics_channel` and passes lines
 * to loggers, for all copies in this process. Calling it again does nothing.
 */
export function subscribe(sink: EventSink): void {
  if (isListening) return
  const shared = globalState()
  const isPublisher = !shared.hasPublisher
  native().subscribe((text) => {
    const message = JSON.parse(text) as EventMessage | LogMessage | EndMessage
    switch (message.kind) {
      case 'event': {
        const event = eventFrom(message)
        sink.emit(message.id, event)
        if (isPublisher) channel(`evertoken:${event.type}`).publish(event)
        return
      }
      case 'log':
        if (isPublisher) log(message, shared)
        return
      case 'ended':
        sink.end(message.id)
        if (isPublisher) {
          shared.loggers.delete(message.id)
          shared.refusalChecks.delete(message.id)
        }
    }
  })
  shared.hasPublisher = true
  isListening = true
}

function log({ id, level, message, fields }: LogMessage, { loggers }: GlobalState): void {
  const to = loggers.get(id)
  if (to) writeLine(to.logger, { service: to.service, level, message, fields })
}

function eventFrom({ event }: EventMessage): TokenEvent {
  const { error, ...rest } = event
  return Object.freeze(error ? { ...rest, error: errorFrom(error, rest.service) } : rest)
}
