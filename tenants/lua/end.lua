-- A session is over: its seat is free at once, and its token is told why for as long as it would have lived.
-- KEYS of the account, session, the user's sessions    ARGV session id, user, why, seconds to remember, heir of the seat or ''
local COPY, OWN = KEYS[20], KEYS[21]
local id, user, why, heir = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local at, v = now(), redis.call('HMGET', POLICY, 'offset', 'day', 'idle')
today(at, v[1], v[2])
local p = { idle = tonumber(v[3] or 0) }
local was_there = there(user, p, at)
redis.call('DEL', COPY)
redis.call('HSET', COPY, 'g', why)
redis.call('EXPIRE', COPY, ARGV[4])
redis.call('ZREM', SESSIONS, id)
redis.call('ZREM', OWN, id)
redis.call('ZREM', BEATS, id .. id, user .. id)
redis.call('ZREMRANGEBYSCORE', OWN, '-inf', at)
local others = table.concat(redis.call('ZRANGE', OWN, 0, -1))
-- Whoever signs out while they make room for themselves leaves no seat behind that nobody holds.
local inherits = heir ~= '' and v[3] and (redis.call('HEXISTS', OWNED, heir) == 1 or redis.call('ZSCORE', SESSIONS, heir))
local over = { id }
if others == '' then
  redis.call('HDEL', OWNED, user)
  over[2] = user
else
  redis.call('HSET', OWNED, user, others)
end
-- The browser that was there is gone, and those that are left were closed before.
if was_there and not over[2] and not there(user, p, at) then linger(user, at) end
for _, member in ipairs(over) do
  local zone = zone_of(member, at)
  if zone and why == 'switched' then
    -- They may come back from the other account.
    linger(member, at)
  elseif zone then
    redis.call('ZREM', zone, member)
    redis.call('ZREM', LINGERING, member)
    if zone == HOLDERS and inherits then redis.call('ZADD', HOLDERS, at + tonumber(v[3]), heir) end
  end
end
if why == 'ended_for_room' and not zone_of(user, at) then
  redis.call('ZADD', RETURNING, at + RETURNS_WITHIN, user)
  redis.call('PEXPIRE', RETURNING, FORGOTTEN)
end
tell(id, 'ended', '{}')
numbers_changed()
if redis.call('EXISTS', LINE, RETURNING, ASKS) > 0 then
  p = current_policy(at)
  if p then serve(p, at) end
end
return happened
