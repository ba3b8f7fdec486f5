// `start.cjs <contender> <token url>`: the shortest program that gets a header and says so.
// CommonJS, because it starts faster than an ES module and every library here but one can be had that way.
const [, , contender, tokenUrl] = process.argv
require(`../contenders/${contender}.cjs`)
  .connect(tokenUrl)
  .then((call) => call())
  .then(() => process.stdout.write('header'))
