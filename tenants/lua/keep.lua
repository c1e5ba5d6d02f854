-- Every request with a session: who is it, and does it hold its seat? (seat rules 1 and 4)
-- KEYS session, policy, changes, holders, sessions    ARGV session id, token digest
-- {'ok', blob, since} {'full', blob, in use, seats} {'stale'} {'gone', why} {'unknown'}
local s = redis.call('HMGET', KEYS[1], 't', 'b', 'e', 'x', 'm', 'k', 'g')
if s[7] then return { 'gone', s[7] } end
if not s[1] then return { 'unknown' } end
if s[1] ~= ARGV[2] then return { 'gone', 'token' } end
local p = redis.call('HMGET', KEYS[2], 'epoch', 'loaded', 'seats', 'idle', 'recheck')
local exactly = instant()
local at = math.floor(exactly)
if p[5] and tonumber(p[5]) <= at then
  given_up(KEYS[2], KEYS[3], at)
  return { 'stale' }
end
if not p[2] or p[2] ~= p[1] or s[3] ~= p[1] then return { 'stale' } end
if not redis.call('ZSCORE', KEYS[5], ARGV[1]) then return { 'unknown' } end
if tonumber(s[4]) <= at then return { 'unknown' } end
local seat = seated(KEYS[4], s[5], tonumber(p[3]), tonumber(p[4]), at)
if seat == 0 then return { 'full', s[2], redis.call('ZCARD', KEYS[4]), p[3] } end
redis.call('ZADD', KEYS[5], exactly, ARGV[1])
if seat == 2 then
  redis.call('HSET', KEYS[1], 'k', at)
  return { 'ok', s[2], at }
end
return { 'ok', s[2], s[6] }
