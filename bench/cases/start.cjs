// `start.cjs <contender> <token url>`: the shortest program that gets a header and says it.
// CommonJS, because it starts faster than an ES module and every library here but one is available in that form.
const [, , contender, tokenUrl] = process.argv
require(`../contenders/${contender}.cjs`)
  .connect(tokenUrl)
  .then((call) => call())
  .then((headers) =>
    process.stdout.write(headers.Authorization ?? headers.get?.('authorization') ?? 'no header'),
  )
