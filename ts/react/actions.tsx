import {
  useEffect,
  useId,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
} from 'react'
import type { TokenAction, TokenActionResult, TokenStatusView } from './use-token-status.js'
import { adviceFor, localTime, problemAdvice } from './text.js'

/** A result, and its time. */
interface Finished extends TokenActionResult {
  readonly at: number
}

/** The buttons' state. */
export interface ActionsState {
  readonly busy: TokenAction | null
  readonly result: Finished | null
  readonly run: (action: TokenAction) => Promise<void>
}

/** Runs the actions of a view one at a time, and keeps the result of the last one. */
export function useActions({ busy, refresh, clear }: TokenStatusView): ActionsState {
  const [result, setResult] = useState<Finished | null>(null)
  // Not `busy`: a second click may come before the next render.
  const isRunning = useRef(false)
  const run = async (action: TokenAction) => {
    if (isRunning.current) return
    isRunning.current = true
    setResult(null)
    const finished = await (action === 'refresh' ? refresh() : clear())
    isRunning.current = false
    setResult({ ...finished, at: Date.now() })
  }
  return { busy, result, run }
}

/** The result of an action, in a sentence. */
function resultText({ action, problem, at }: Finished, now: number): string {
  if (problem !== null) {
    // A message that says how long to wait needs no more advice.
    const advice =
      problem.kind === 'limited' ? undefined : (adviceFor(problem.code) ?? problemAdvice[problem.kind])
    return `${action === 'refresh' ? 'Not refreshed' : 'Not cleared'}: ${problem.message}${advice === undefined ? '' : ` ${advice}`}`
  }
  return `${action === 'refresh' ? 'Refreshed' : 'Cleared'} at ${localTime(at, now)}.`
}

const progressWords: Record<TokenAction, string> = { refresh: 'Refreshing…', clear: 'Clearing…' }

interface ActionsProps extends ActionsState {
  updatedAt: number | null
  now: number
}

/** The buttons Refresh now and Clear, which asks for confirmation, and next to them the progress or the result. */
export function Actions({ busy, result, run, updatedAt, now }: ActionsProps): ReactElement {
  const [isAsking, setAsking] = useState(false)
  const clearButton = useRef<HTMLButtonElement>(null)
  const keepButton = useRef<HTMLButtonElement>(null)
  const wasAsking = useRef(false)
  const question = useId()

  // The focus moves to the question and back; the safe answer is focused first.
  useEffect(() => {
    if (isAsking) keepButton.current?.focus()
    else if (wasAsking.current) clearButton.current?.focus()
    wasAsking.current = isAsking
  }, [isAsking])

  const answer = (isSure: boolean) => {
    setAsking(false)
    if (isSure) void run('clear')
  }
  const isQuiet = !isAsking && busy === null && result === null
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') answer(false)
  }

  return (
    <footer className="evertoken-footer">
      <div className="evertoken-said">
        {isAsking && (
          <p id={question}>
            Clear the token, here and in the store? The next request will wait for a new one.
          </p>
        )}
        {isQuiet && updatedAt !== null && (
          <p className="evertoken-updated">Updated at {localTime(updatedAt, now)}.</p>
        )}
        <div role="status">
          {busy !== null && <p>{progressWords[busy]}</p>}
          {result !== null && !isAsking && (
            <p className="evertoken-result" data-good={result.problem === null ? '' : undefined}>
              {resultText(result, now)}
            </p>
          )}
        </div>
      </div>
      {isAsking ? (
        // The safe answer is where Clear was, so that the second click of a double click hits it.
        // biome-ignore lint/a11y/useSemanticElements: a fieldset comes with a border and a least width of its own.
        <div
          key="question"
          className="evertoken-actions"
          role="group"
          aria-labelledby={question}
          onKeyDown={onKeyDown}
        >
          <Button kind="danger" label="Clear it" onPress={() => answer(true)} />
          <Button place={keepButton} label="Keep it" onPress={() => answer(false)} />
        </div>
      ) : (
        <div key="actions" className="evertoken-actions">
          <Button
            kind="primary"
            label="Refresh now"
            isOff={busy !== null}
            onPress={() => void run('refresh')}
          />
          <Button place={clearButton} label="Clear" isOff={busy !== null} onPress={() => setAsking(true)} />
        </div>
      )}
    </footer>
  )
}

interface ButtonProps {
  label: string
  onPress: () => void
  kind?: 'plain' | 'primary' | 'danger'
  isOff?: boolean
  // Not called ref: React 18 does not pass that one to function components.
  place?: RefObject<HTMLButtonElement | null>
}

function Button({ label, onPress, kind = 'plain', isOff = false, place }: ButtonProps): ReactElement {
  // Not disabled: a disabled button loses the focus, and keyboard users would have to start again.
  return (
    <button
      type="button"
      className="evertoken-button"
      data-kind={kind}
      aria-disabled={isOff}
      ref={place}
      onClick={isOff ? undefined : onPress}
    >
      {label}
    </button>
  )
}
