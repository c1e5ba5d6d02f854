-- Write a session's hot copy: after a sign-in ('open'), after Redis forgot ('restore'), after a change ('refresh').
-- KEYS of the account, session, the user's sessions
-- ARGV how, session id, token digest, blob, epoch at which the facts were read, absolute end, seconds to live, member or '', user
-- {'ok', blob, since} {'full', blob, in use, seats} {'stale'} {'gone', why}
local COPY, OWN = KEYS[8], KEYS[9]
local gone = redis.call('HGET', COPY, 'g')
if gone then return { 'gone', gone } end
local p = redis.call('HMGET', POLICY, 'epoch', 'loaded', 'seats', 'idle', 'reserved', 'until', 'offset', 'day')
if not p[1] then return { 'stale' } end
-- Another sign-in of the same person ended this one before it was written: there was no row to end yet.
local known = redis.call('ZSCORE', SESSIONS, ARGV[2])
if ARGV[1] == 'open' and not known then return { 'gone', 'replaced' } end
if not p[2] or p[1] ~= ARGV[5] or p[2] ~= p[1] then return { 'stale' } end
local exactly = instant()
local at, member = math.floor(exactly), ARGV[8]
local day = today(at, p[7], p[8])
local before = redis.call('HMGET', COPY, 'm', 'k')
if before[1] and before[1] ~= member then
  -- The account changed its seat unit: the lease goes over to the new holder.
  local lease = redis.call('ZSCORE', HOLDERS, before[1])
  if lease and not redis.call('ZSCORE', HOLDERS, member) then
    redis.call('ZREM', HOLDERS, before[1])
    redis.call('ZADD', HOLDERS, lease, member)
  end
end
redis.call('HSET', COPY, 't', ARGV[3], 'b', ARGV[4], 'e', ARGV[5], 'x', ARGV[6], 'm', member, 'k', before[2] or at)
redis.call('EXPIRE', COPY, ARGV[7])
redis.call('ZADD', OWN, ARGV[6], ARGV[2])
redis.call('EXPIRE', OWN, ARGV[7], 'NX')
redis.call('EXPIRE', OWN, ARGV[7], 'GT')
redis.call('ZADD', SESSIONS, exactly, ARGV[2])
if member == '' then return { 'ok', ARGV[4], before[2] or at } end
local seat = seated(member, { seats = p[3], idle = p[4], ['until'] = p[6] }, at, day)
if seat == 3 then return { 'stale' } end
if not known and ARGV[1] == 'restore' and p[5] and tonumber(p[5]) > 0 then redis.call('HINCRBY', POLICY, 'reserved', -1) end
if seat == 0 then return { 'full', ARGV[4], redis.call('ZCARD', HOLDERS), p[3] } end
if seat == 2 then redis.call('HSET', COPY, 'k', at) end
return { 'ok', ARGV[4], seat == 2 and at or before[2] or at }
