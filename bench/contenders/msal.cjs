// @azure/msal-node with its cache in memory.
const { msalClient } = require('../support/msal.cjs')
const { untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')
const { clientPerTenant } = require('../support/tenants.cjs')

exports.title = '@azure/msal-node'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => msalClient(tokenUrl, 'client')
exports.tenants = (tokenUrl) => clientPerTenant((name) => msalClient(tokenUrl, name))
