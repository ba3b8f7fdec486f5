'use strict'

// In this form, so that Node finds the names that an `import` asks for.
module.exports = require('./lib/index.js')
