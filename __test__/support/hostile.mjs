// JSON as a hostile or broken endpoint answers it: a good status with parts of it replaced.

/** Values that no field of a status has, or hardly any. */
export const oddValues = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e308,
  -1e308,
  Number.MAX_SAFE_INTEGER,
  '',
  'NaN',
  'Infinity',
  '0',
  'null',
  'undefined',
  'constructor',
  '__proto__',
  'toString',
  'valid',
  'never',
  '2026-02-30T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '+275760-09-13T00:00:00Z',
  '9'.repeat(400),
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  'javascript:alert(1)',
  '\u202eabc\u0000\ud800',
  'x'.repeat(100_000),
  [],
  [[]],
  [null],
  {},
  { a: { b: { c: {} } } },
  { toString: 1, valueOf: 2 },
  JSON.parse('{"__proto__":{"x":1}}'),
  { $$typeof: 'react.element', type: 'script', props: {} },
  new Array(10_000).fill(0),
  Array.from({ length: 600 }, () => ({ at: '2026-01-01T00:00:00Z', outcome: 'refreshed', durationMs: -5 })),
]

/** Numbers from 0 to 1 that are the same in each run (mulberry32). */
export function randomly(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The paths of all members of some JSON; of a list, of its first ones. */
export function pathsIn(value, path = []) {
  if (typeof value !== 'object' || value === null) return [path]
  const members = Object.entries(value)
  const some = Array.isArray(value) ? members.slice(0, 3) : members
  return [path, ...some.flatMap(([key, member]) => pathsIn(member, [...path, key]))]
}

/** A copy of some JSON with what is at a path replaced; `undefined` takes it away. */
export function replaced(value, [key, ...rest], by) {
  if (key === undefined) return by
  const copy = Array.isArray(value) ? [...value] : { ...value }
  copy[key] = replaced(copy[key], rest, by)
  return copy
}
