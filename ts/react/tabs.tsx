import { useId, useRef, useState, type KeyboardEvent, type ReactElement, type ReactNode } from 'react'
import { StyleSheet } from './style-sheet.js'

interface TabsProps {
  names: readonly string[]
  theme: 'auto' | 'light' | 'dark' | undefined
  nonce: string | undefined
  /** The content of the tab with this number. */
  children: (chosen: number) => ReactNode
}

/**
 * Tabs as in the ARIA Authoring Practices: one tab is in the tab order, and the arrow keys, Home and End select
 * another.
 */
export function Tabs({ names, theme = 'auto', nonce, children }: TabsProps): ReactElement {
  const [wanted, setWanted] = useState(0)
  const chosen = Math.min(wanted, names.length - 1)
  const id = useId()
  const list = useRef<HTMLDivElement>(null)

  const choose = (index: number) => {
    setWanted(index)
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[index]?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowRight: (chosen + 1) % names.length,
      ArrowLeft: (chosen + names.length - 1) % names.length,
      Home: 0,
      End: names.length - 1,
    }
    const target = moves[event.key]
    if (target === undefined) return
    event.preventDefault()
    choose(target)
  }

  return (
    <div className="evertoken-services" data-theme={theme === 'auto' ? undefined : theme}>
      <StyleSheet nonce={nonce} />
      <div className="evertoken-tabs" role="tablist" aria-label="Services" ref={list} onKeyDown={onKeyDown}>
        {names.map((name, index) => (
          <button
            key={name}
            type="button"
            role="tab"
            className="evertoken-tab"
            id={`${id}-tab-${index}`}
            aria-selected={index === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={index === chosen ? 0 : -1}
            onClick={() => setWanted(index)}
          >
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${chosen}`} key={names[chosen]}>
        {children(chosen)}
      </div>
    </div>
  )
}
