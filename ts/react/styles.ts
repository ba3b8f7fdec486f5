/** The colours by day and by night; a page may set each of them. */
const light = `
  --et-surface: var(--evertoken-surface, #ffffff);
  --et-text: var(--evertoken-text, #16181d);
  --et-muted: var(--evertoken-muted, #5b6270);
  --et-border: var(--evertoken-border, #e2e5ea);
  --et-accent: var(--evertoken-accent, #1f5fd0);
  --et-accent-text: var(--evertoken-accent-text, #ffffff);
  --et-good: var(--evertoken-good, #12734a);
  --et-warn: var(--evertoken-warn, #8f5a00);
  --et-bad: var(--evertoken-bad, #b3261e);
  --et-idle: var(--evertoken-idle, #5b6270);
  color-scheme: light;`
const dark = `
  --et-surface: var(--evertoken-surface, #16181d);
  --et-text: var(--evertoken-text, #eef0f4);
  --et-muted: var(--evertoken-muted, #a3abba);
  --et-border: var(--evertoken-border, #2e333d);
  --et-accent: var(--evertoken-accent, #8ab4ff);
  --et-accent-text: var(--evertoken-accent-text, #0b1a36);
  --et-good: var(--evertoken-good, #55d398);
  --et-warn: var(--evertoken-warn, #f0b449);
  --et-bad: var(--evertoken-bad, #ff8f86);
  --et-idle: var(--evertoken-idle, #a3abba);
  color-scheme: dark;`

/**
 * The style sheet. React 18 escapes quotes, ampersands and angle brackets in a style element on the server and not
 * in the browser, which would be a mismatch: there are none of them in here.
 *
 * The least heights are those of a usual status, of a notice and of the question, so that nothing moves when they come.
 */
export const styles = `
.evertoken-monitor {
  --et-state: var(--et-idle);
  box-sizing: border-box;
  container-type: inline-size;
  max-width: 44rem;
  padding: min(1.5rem, 6vw);
  border: 1px solid var(--et-border);
  border-radius: var(--et-radius);
  background: var(--et-surface);
  color: var(--et-text);
  font-family: var(--evertoken-font, system-ui, -apple-system, Segoe UI, Roboto, sans-serif);
  font-size: 1rem;
  line-height: 1.5;
  font-variant-numeric: tabular-nums;
  text-align: start;
}
.evertoken-monitor, .evertoken-services {
  --et-radius: var(--evertoken-radius, 14px);${light}
}
@media (prefers-color-scheme: dark) {
  .evertoken-monitor, .evertoken-services {${dark}
  }
}
.evertoken-monitor[data-theme=light], .evertoken-services[data-theme=light] {${light}
}
.evertoken-monitor[data-theme=dark], .evertoken-services[data-theme=dark] {${dark}
}
.evertoken-monitor[data-state=valid] { --et-state: var(--et-good); }
.evertoken-monitor[data-state=expiring] { --et-state: var(--et-warn); }
.evertoken-monitor[data-state=expired] { --et-state: var(--et-bad); }
.evertoken-monitor[data-state=manual] { --et-state: var(--et-accent); }
.evertoken-monitor :where(*) { box-sizing: border-box; }
.evertoken-monitor :where(p, h2, h3, dl, dd, ol) { margin: 0; padding: 0; }
.evertoken-monitor :where(code) {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: 0.8125rem;
  overflow-wrap: anywhere;
}
.evertoken-unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
.evertoken-header { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; justify-content: space-between; }
.evertoken-title { flex: 1 1 8rem; min-height: 2.75rem; overflow-wrap: anywhere; font-size: 1.125rem; font-weight: 650; line-height: 1.3; }
.evertoken-service { display: block; color: var(--et-muted); font-size: 0.875rem; font-weight: 450; }
.evertoken-badge {
  display: inline-flex;
  align-items: center;
  justify-content: center;
  gap: 0.5rem;
  min-width: 6.75rem;
  padding: 0.1875rem 0.75rem 0.1875rem 0.625rem;
  border: 1px solid color-mix(in srgb, var(--et-state) 35%, transparent);
  border-radius: 99px;
  background: color-mix(in srgb, var(--et-state) 10%, transparent);
  color: var(--et-state);
  font-size: 0.875rem;
  font-weight: 600;
}
.evertoken-icon { flex: none; margin-inline-start: -0.125rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.evertoken-notice {
  padding: 0.625rem 0.875rem;
  border-inline-start: 3px solid var(--et-warn);
  border-radius: 6px;
  background: color-mix(in srgb, var(--et-warn) 9%, transparent);
  font-size: 0.875rem;
  overflow-wrap: anywhere;
}
.evertoken-services { max-width: 44rem; font-family: var(--evertoken-font, system-ui, -apple-system, Segoe UI, Roboto, sans-serif); }
.evertoken-tabs {
  display: flex;
  gap: 0.25rem;
  margin-bottom: 0.75rem;
  padding: 0.25rem;
  border: 1px solid var(--et-border);
  border-radius: var(--et-radius);
  background: var(--et-surface);
  overflow-x: auto;
}
.evertoken-tab {
  flex: none;
  min-height: 2.5rem;
  padding: 0.375rem 0.875rem;
  border: 0;
  border-radius: calc(var(--et-radius) - 4px);
  background: transparent;
  color: var(--et-muted);
  font: inherit;
  font-size: 0.9375rem;
  font-weight: 550;
  cursor: pointer;
}
.evertoken-tab:hover { color: var(--et-text); }
.evertoken-tab[aria-selected=true] { background: color-mix(in srgb, var(--et-muted) 16%, transparent); color: var(--et-text); }
.evertoken-tab:focus-visible { outline: 3px solid var(--et-accent); outline-offset: -3px; }
.evertoken-hero { display: grid; grid-template-rows: minmax(3.5rem, auto) minmax(5.25rem, auto); gap: 0.25rem; margin-top: 1rem; }
.evertoken-left { position: relative; font-size: min(3rem, 15cqi); font-weight: 640; letter-spacing: -0.03em; line-height: 3.5rem; }
.evertoken-left + .evertoken-news { grid-row: 2; }
.evertoken-news { grid-row: 1 / -1; }
.evertoken-unit { color: var(--et-muted); font-size: 1rem; font-weight: 450; letter-spacing: 0; line-height: 1; }
.evertoken-meaning { color: var(--et-muted); font-size: 0.9375rem; }
.evertoken-details { display: flex; flex-direction: column; min-height: 62.5rem; margin-top: 0.75rem; }
.evertoken-waiting { border-radius: 8px; background: color-mix(in srgb, var(--et-border) 45%, transparent); }
.evertoken-line { display: block; overflow: visible; }
.evertoken-track { fill: var(--et-border); stroke: none; }
.evertoken-elapsed { fill: var(--et-state); }
.evertoken-mark { stroke: var(--et-muted); stroke-width: 2; stroke-linecap: round; }
.evertoken-now { fill: var(--et-surface); stroke: var(--et-state); stroke-width: 3; }
.evertoken-moments { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0.25rem 1rem; margin-top: 0.5rem; font-size: 0.8125rem; }
.evertoken-monitor dt { color: var(--et-muted); }
.evertoken-facts {
  display: grid;
  gap: 0.875rem 1.75rem;
  margin-top: 1.25rem;
  padding-top: 1.25rem;
  border-top: 1px solid var(--et-border);
  font-size: 0.875rem;
}
.evertoken-fact dt { font-size: 0.8125rem; }
.evertoken-fact dd { overflow-wrap: anywhere; }
.evertoken-fact dd code { display: block; color: var(--et-muted); }
.evertoken-fact[data-wide] { grid-column: 1 / -1; }
.evertoken-aside { display: block; margin-top: 0.25rem; color: var(--et-muted); font-size: 0.8125rem; }
.evertoken-fact dd .evertoken-aside code { display: inline; }
.evertoken-advice { display: block; margin-top: 0.25rem; color: var(--et-text); }
.evertoken-fact[data-tone=warn] dd { color: var(--et-warn); }
.evertoken-fact[data-tone=bad] dd { color: var(--et-bad); }
.evertoken-history { margin-top: 1.25rem; padding-top: 1rem; border-top: 1px solid var(--et-border); font-size: 0.875rem; }
.evertoken-subtitle { font-size: 0.875rem; font-weight: 600; }
.evertoken-bars { display: block; margin: 0.5rem 0 0.375rem; }
.evertoken-floor { stroke: var(--et-border); vector-effect: non-scaling-stroke; }
.evertoken-bar { fill: var(--et-tone); }
.evertoken-history [data-outcome] { --et-tone: var(--et-good); }
.evertoken-history [data-outcome=adopted] { --et-tone: var(--et-accent); }
.evertoken-history [data-outcome=failed] { --et-tone: var(--et-bad); }
.evertoken-history [data-outcome=cleared] { --et-tone: var(--et-idle); }
.evertoken-none { color: var(--et-muted); }
.evertoken-history ol { display: grid; gap: 0.25rem 0.875rem; list-style: none; }
.evertoken-history li { display: flex; flex-wrap: wrap; gap: inherit; align-items: baseline; }
.evertoken-history li time { color: var(--et-muted); }
.evertoken-outcome { padding-inline-start: 0.625rem; border-inline-start: 3px solid var(--et-tone); }
.evertoken-history li[data-outcome=failed] .evertoken-outcome { color: var(--et-bad); }
.evertoken-took { color: var(--et-muted); text-align: end; }
.evertoken-footer { display: grid; gap: 0.75rem 1.75rem; margin-top: 1rem; padding-top: 1rem; border-top: 1px solid var(--et-border); }
.evertoken-said { align-content: center; min-height: 4rem; font-size: 0.875rem; overflow-wrap: anywhere; }
.evertoken-updated { color: var(--et-muted); }
.evertoken-result { color: var(--et-bad); }
.evertoken-result[data-good] { color: var(--et-good); }
.evertoken-actions { display: flex; flex-wrap: wrap; gap: 0.625rem; align-items: start; }
.evertoken-button {
  flex: 1 1 auto;
  min-height: 2.625rem;
  padding: 0.375rem 1.125rem;
  border: 1px solid var(--et-border);
  border-radius: 9px;
  background: transparent;
  color: var(--et-text);
  font: inherit;
  font-size: 0.9375rem;
  font-weight: 550;
  cursor: pointer;
}
.evertoken-button:hover { border-color: var(--et-muted); }
.evertoken-button[data-kind=primary] { border-color: transparent; background: var(--et-accent); color: var(--et-accent-text); }
.evertoken-button[data-kind=danger] { border-color: var(--et-bad); color: var(--et-bad); }
.evertoken-button:is([data-kind=primary], [data-kind=danger]):hover { filter: brightness(1.08); }
.evertoken-button:focus-visible { outline: 3px solid var(--et-accent); outline-offset: 2px; }
.evertoken-button[aria-disabled=true] { opacity: 0.6; cursor: default; }
@container (min-width: 14rem) {
  .evertoken-moments div:nth-child(2) { text-align: center; }
  .evertoken-moments div:last-child { text-align: end; }
  .evertoken-history ol { grid-template-columns: auto 1fr auto; }
  .evertoken-history li { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; }
}
@container (min-width: 18rem) {
  .evertoken-hero { grid-template-rows: minmax(3.5rem, auto) minmax(4rem, auto); }
  .evertoken-said { min-height: 2.625rem; }
  .evertoken-details { min-height: 54rem; }
}
@container (min-width: 32rem) {
  .evertoken-hero { grid-template: minmax(4rem, auto) / 1fr 1fr; gap: 1.75rem; align-items: center; margin-top: 0.75rem; }
  .evertoken-left { white-space: nowrap; }
  .evertoken-left + .evertoken-news { grid-area: 1 / 2; }
  .evertoken-news { display: grid; grid-area: 1 / 1 / auto / -1; align-self: stretch; align-content: center; }
  .evertoken-details { min-height: 41rem; }
  .evertoken-facts { grid-template-columns: 1fr 1fr; }
  .evertoken-footer { grid-template-columns: 1fr auto; }
}
@container (min-width: 38rem) {
  .evertoken-details { min-height: 38.5rem; }
}
@media (forced-colors: active) {
  .evertoken-tab[aria-selected=true] { background: Highlight; color: HighlightText; forced-color-adjust: none; }
  .evertoken-button[aria-disabled=true] { border-color: GrayText; color: GrayText; opacity: 1; }
  .evertoken-mark, .evertoken-floor { stroke: CanvasText; }
  .evertoken-track { fill: Canvas; stroke: CanvasText; }
  .evertoken-elapsed { fill: CanvasText; }
  .evertoken-now { fill: Canvas; stroke: CanvasText; }
  .evertoken-bar { fill: CanvasText; }
  .evertoken-bar[data-outcome=adopted] { fill: Highlight; }
  .evertoken-bar[data-outcome=failed] { fill: Canvas; stroke: CanvasText; vector-effect: non-scaling-stroke; }
}
`
