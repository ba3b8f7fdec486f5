// What every program pays: Node starts, and says so.
process.stdout.write('Bearer token')
