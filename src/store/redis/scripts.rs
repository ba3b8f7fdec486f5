//! What runs on the server, in one step that no other command interrupts.
//!
//! Each text of an answer begins with `=`: the clients of some services would read one that looks like a number or JSON
//! as such.

use std::sync::LazyLock;

/// A script, and the digest under which a server remembers it.
pub(super) struct RedisScript {
    pub(super) text: &'static str,
    pub(super) digest: String,
    /// Whether it changes nothing, so that it may run twice.
    pub(super) is_repeatable: bool,
}

impl RedisScript {
    fn new(text: &'static str, is_repeatable: bool) -> Self {
        Self { text, digest: ::redis::Script::new(text).get_hash().to_owned(), is_repeatable }
    }
}

/// The row of one key: the time in milliseconds, and the fields.
///
/// A key of another program stays as it is: one of another type, and a hash with fields that no row has. For a
/// user who may not run `HLEN`, such a hash is not told apart.
///
/// A replica may lag behind, and must not answer: it refuses `PERSIST`, which changes nothing here, as no row has a
/// time to live. A primary that takes no writes at present answers nevertheless.
pub(super) static FIND: LazyLock<RedisScript> = LazyLock::new(|| {
    RedisScript::new(
        r"
local time = redis.call('TIME')
local answer = {'=' .. string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
local length = redis.pcall('HSTRLEN', KEYS[1], 'token')
if type(length) == 'table' then
  if not string.find(length.err, 'WRONGTYPE', 1, true) then return length end
  answer[2] = '=type'
  return answer
end
local is_long = length > tonumber(ARGV[1])
local fields = redis.call('HMGET', KEYS[1], is_long and 'expiresAt' or 'token',
  'expiresAt', 'tokenType', 'createdAt', 'lastUsed', 'refreshToken')
local known = 0
for i = 1, 6 do
  if fields[i] then known = known + 1 end
end
local all = redis.pcall('HLEN', KEYS[1])
if not is_long and type(all) == 'number' and all > known then
  answer[2] = '=foreign'
  return answer
end
local checked = redis.pcall('PERSIST', KEYS[1])
if type(checked) == 'table' and checked.err then
  if string.find(checked.err, 'READONLY', 1, true) or string.find(checked.err, 'NOPERM', 1, true)
    or string.find(checked.err, 'ACL', 1, true) then
    return checked
  end
end
if is_long then
  answer[2] = '=long'
  return answer
end
answer[2] = '=row'
for i = 1, 6 do
  answer[i + 2] = fields[i] and '=' .. fields[i] or false
end
return answer
",
        true,
    )
});

/// Replaces the row of one key if its token is the expected one. `HSET` comes first: a server that is full refuses it,
/// and nothing has happened.
pub(super) static COMPARE_AND_SET: LazyLock<RedisScript> = LazyLock::new(|| {
    RedisScript::new(
        r"
local seen = redis.call('HGET', KEYS[1], 'token')
if ARGV[1] == 'nothing' then
  if seen then return {'=no'} end
elseif seen ~= ARGV[2] then
  return {'=no'}
end
if ARGV[3] == 'delete' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'token', ARGV[6], 'expiresAt', ARGV[7], 'tokenType', ARGV[8],
    'createdAt', ARGV[9], 'lastUsed', ARGV[10])
  if ARGV[11] then
    redis.call('HSET', KEYS[1], 'refreshToken', ARGV[11])
  else
    redis.call('HDEL', KEYS[1], 'refreshToken')
  end
end
if ARGV[4] ~= '' then redis.pcall('PUBLISH', ARGV[4], ARGV[5]) end
return {'=yes'}
",
        false,
    )
});

/// Deletes the row of one key.
pub(super) static DISCARD: LazyLock<RedisScript> =
    LazyLock::new(|| RedisScript::new("redis.call('DEL', KEYS[1])\nreturn {'=yes'}\n", true));

/// For each key, what differs after each change of its row: the end of a sealed text differs each time.
pub(super) static MARKS: LazyLock<RedisScript> = LazyLock::new(|| {
    RedisScript::new(
        r"
local answer = {}
for i, key in ipairs(KEYS) do
  local fields = redis.pcall('HMGET', key, 'token', 'lastUsed', 'expiresAt')
  if fields.err then
    if not string.find(fields.err, 'WRONGTYPE', 1, true) then return fields end
    answer[i] = '=type'
  else
    answer[i] = '=' .. string.sub(fields[1] or '', -24) .. ' ' .. (fields[2] or '') .. ' ' .. (fields[3] or '')
  end
end
return answer
",
        true,
    )
});

/// What the server does when its memory is full: its limit, and its policy. Nothing if it does not say.
pub(super) static MEMORY: LazyLock<RedisScript> = LazyLock::new(|| {
    RedisScript::new(
        r"
local memory = redis.pcall('INFO', 'memory')
if type(memory) ~= 'string' then return {} end
local limit = string.match(memory, 'maxmemory:(%d+)')
local policy = string.match(memory, 'maxmemory_policy:([%w-]+)')
return {limit and '=' .. limit or false, policy and '=' .. policy or false}
",
        true,
    )
});
