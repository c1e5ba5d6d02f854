-- A request of a session that holds no seat: it takes a free one, or one that somebody left (seat rules 4, 5, 6, 10).
-- After `keep.lua` found nothing against the session but that.
-- KEYS of the account, session    ARGV session id, token digest
-- {'ok', blob, since, kind, happened} {'full', blob, in use, seats, held for who waits, happened} {'promoted', blob, happened} {'stale'}
local COPY = KEYS[20]
local ID = ARGV[1]
local s = redis.call('HMGET', COPY, 't', 'b', 'e', 'm', 'k', 'f', 'y', 'u')
local exactly = instant()
local at = math.floor(exactly)
local p = current_policy(at)
if s[1] ~= ARGV[2] or not p or s[3] ~= p.epoch or not redis.call('ZSCORE', SESSIONS, ID) then return { 'stale' } end
local member, managing = s[4], s[6] == 'm'
-- Somebody is there, whether or not there is a seat for them.
redis.call('ZADD', SESSIONS, exactly, ID)
if s[7] then redis.call('ZADD', BEATS, at + SAFE_FOR, member .. ID) end
local zone, new = seated(member, s[8], s[6] == 'a', p, at, managing)
if not zone and not managing then
  return { 'full', s[2], redis.call('ZCARD', HOLDERS), p.seats, redis.call('ZCARD', OFFERS), happened }
end
if managing then
  if not zone then return { 'ok', s[2], s[5], 'management', happened } end
  waits_no_more(s[8])
  return { 'promoted', s[2], happened }
end
local since = s[5]
if new then
  since = at
  redis.call('HSET', COPY, 'k', at)
end
return { 'ok', s[2], since, zone == ALLOWANCE and 'allowance' or 'pool', happened }
