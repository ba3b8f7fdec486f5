// The page with every state of the monitor side by side, by day and by night.
import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { root } from '../support/root.mjs'
import { states } from './states.mjs'

const actions = { busy: null, result: null, run: async () => {} }

function column(Card, theme) {
  const cards = states.map(({ title, ...view }) =>
    createElement(
      'div',
      { className: 'cell', key: title },
      createElement('p', { className: 'caption' }, title),
      createElement(Card, {
        view: { receivedAt: view.now, sentAt: view.now, problem: null, ...view },
        actions,
        now: view.now,
        title: 'Access token',
        theme,
      }),
    ),
  )
  return createElement('div', { className: `column ${theme}`, key: theme }, cards)
}

// Every card brings its styles; on one page once is enough.
const once = (html) =>
  html.replace(/<style>[\s\S]*?<\/style>/g, (style, at) => (at === html.indexOf(style) ? style : ''))

/** The page as HTML. */
export async function previewPage() {
  // Times are shown by the reader's clock, which is to be the same wherever this runs.
  process.env.TZ = 'UTC'
  const { Card } = await import(pathToFileURL(join(root, 'lib', 'react', 'card.js')))
  const body = once(
    renderToStaticMarkup(createElement('main', null, [column(Card, 'light'), column(Card, 'dark')])),
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TokenMonitor, in every state</title>
<style>
  body { margin: 0; font-family: system-ui, sans-serif; }
  main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
  .column { display: grid; gap: 1.5rem; align-content: start; padding: 1.5rem; }
  .light { background: #f4f5f7; color: #16181d; }
  .dark { background: #0b0c0f; color: #eef0f4; }
  .caption { margin: 0 0 0.5rem; font-size: 0.875rem; }
</style>
${body}
</html>
`
}
