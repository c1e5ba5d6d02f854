-- Write a session's hot copy: after a sign-in ('open'), after Redis forgot ('restore'), after a change ('refresh'), or only to look at it:
-- at a heartbeat ('beat'), which brings the seat of somebody at work back when Redis forgot a moment ago, or else ('look').
-- KEYS of the account, session, the user's sessions
-- ARGV how, session id, token digest, blob, epoch at which the facts were read, absolute end, seconds to live, member or '', user, which seat
-- {'ok', blob, since, kind, happened} {'full', blob, in use, seats, held for who waits, happened} {'stale'} {'gone', why}
local COPY, OWN = KEYS[20], KEYS[21]
local how, id, member, user, which = ARGV[1], ARGV[2], ARGV[8], ARGV[9], ARGV[10]
local gone = redis.call('HGET', COPY, 'g')
if gone then return { 'gone', gone } end
if redis.call('EXISTS', POLICY) == 0 then return { 'stale' } end
-- Another sign-in of the same person ended this one before it was written: there was no row to end yet.
local known = redis.call('ZSCORE', SESSIONS, id)
if how == 'open' and not known then return { 'gone', 'replaced' } end
local exactly = instant()
local at = math.floor(exactly)
local p = current_policy(at)
if not p or p.epoch ~= ARGV[5] then return { 'stale' } end
local before = redis.call('HMGET', COPY, 'm', 'k')
if before[1] and before[1] ~= member and before[1] ~= '' and member ~= '' then
  -- The account changed its seat unit: the lease goes over to the new holder.
  local zone, lease = zone_of(before[1], at)
  if zone and not zone_of(member, at) then
    redis.call('ZREM', zone, before[1])
    redis.call('ZADD', zone, lease, member)
  elseif zone and before[1] == id then
    -- Another session of the same user brought the seat that they share now.
    redis.call('ZREM', zone, id)
    numbers_changed()
  end
end
local since = before[2] or at
redis.call('HSET', COPY, 't', ARGV[3], 'b', ARGV[4], 'e', ARGV[5], 'x', ARGV[6], 'm', member, 'u', user, 'f', which, 'k', since)
redis.call('EXPIRE', COPY, ARGV[7])
redis.call('ZADD', OWN, ARGV[6], id)
redis.call('EXPIRE', OWN, ARGV[7], 'NX')
redis.call('EXPIRE', OWN, ARGV[7], 'GT')
redis.call('HSET', OWNED, user, table.concat(redis.call('ZRANGE', OWN, 0, -1)))
redis.call('EXPIRE', OWNED, ARGV[7], 'NX')
redis.call('EXPIRE', OWNED, ARGV[7], 'GT')
local looks = how == 'look' or (how == 'beat' and (known or p.kept_until + AT_WORK_FIRST <= at))
if looks then return { 'ok', ARGV[4], since, 'none', happened } end
redis.call('ZADD', SESSIONS, exactly, id)
if redis.call('HEXISTS', COPY, 'y') == 1 then
  redis.call('ZADD', BEATS, at + SAFE_FOR, member .. id)
else
  -- It was there as a sign-in under way.
  redis.call('ZREM', BEATS, member .. id)
end
if member == '' then return { 'ok', ARGV[4], since, 'visit', happened } end
if which == 'm' then return { 'ok', ARGV[4], since, 'management', happened } end
-- Who is no accountant any more holds no seat of theirs.
if which ~= 'a' then redis.call('ZREM', ALLOWANCE, member) end
local zone, new = seated(member, user, which == 'a', p, at)
if not known and how ~= 'open' and p.kept > 0 and zone ~= ALLOWANCE then redis.call('HINCRBY', POLICY, 'reserved', -1) end
if not zone then return { 'full', ARGV[4], redis.call('ZCARD', HOLDERS), p.seats, redis.call('ZCARD', OFFERS), happened } end
if new then
  since = at
  redis.call('HSET', COPY, 'k', at)
end
return { 'ok', ARGV[4], since, zone == ALLOWANCE and 'allowance' or 'pool', happened }
