-- Write a session's hot copy: after a sign-in ('open'), after Redis forgot ('restore'), after a change ('refresh').
-- KEYS session, policy, holders, sessions, the user's sessions
-- ARGV how, session id, token digest, blob, epoch at which the facts were read, absolute end, seconds to live, member, user
-- {'ok', blob, since} {'full', blob, in use, seats} {'stale'} {'gone', why}
local gone = redis.call('HGET', KEYS[1], 'g')
if gone then return { 'gone', gone } end
local p = redis.call('HMGET', KEYS[2], 'epoch', 'loaded', 'seats', 'idle', 'reserved')
if not p[1] then return { 'stale' } end
-- Another sign-in of the same person ended this one before it was written: there was no row to end yet.
local known = redis.call('ZSCORE', KEYS[4], ARGV[2])
if ARGV[1] == 'open' and not known then return { 'gone', 'replaced' } end
if not p[2] or p[1] ~= ARGV[5] or p[2] ~= p[1] then return { 'stale' } end
local exactly = instant()
local at = math.floor(exactly)
local before = redis.call('HMGET', KEYS[1], 'm', 'k')
if before[1] and before[1] ~= ARGV[8] then
  -- The account changed its seat unit: the lease goes over to the new holder.
  local lease = redis.call('ZSCORE', KEYS[3], before[1])
  if lease and not redis.call('ZSCORE', KEYS[3], ARGV[8]) then
    redis.call('ZREM', KEYS[3], before[1])
    redis.call('ZADD', KEYS[3], lease, ARGV[8])
  end
end
redis.call('HSET', KEYS[1], 't', ARGV[3], 'b', ARGV[4], 'e', ARGV[5], 'x', ARGV[6], 'm', ARGV[8], 'k', before[2] or at)
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('ZADD', KEYS[5], ARGV[6], ARGV[2])
redis.call('EXPIRE', KEYS[5], ARGV[7], 'NX')
redis.call('EXPIRE', KEYS[5], ARGV[7], 'GT')
redis.call('ZADD', KEYS[4], exactly, ARGV[2])
local seat = seated(KEYS[3], ARGV[8], tonumber(p[3]), tonumber(p[4]), at)
if not known and ARGV[1] == 'restore' and p[5] and tonumber(p[5]) > 0 then redis.call('HINCRBY', KEYS[2], 'reserved', -1) end
if seat == 0 then return { 'full', ARGV[4], redis.call('ZCARD', KEYS[3]), p[3] } end
if seat == 2 then redis.call('HSET', KEYS[1], 'k', at) end
return { 'ok', ARGV[4], seat == 2 and at or before[2] or at }
