-- Every request with a session: who is it, and does it hold its seat? (seat rules 1, 4, 5, 15) Whoever holds none is for `retake.lua`.
-- KEYS of the account up to the allowance, session    ARGV session id, token digest
-- {'ok', blob, since, kind, {}} {'seatless'} {'stale'} {'gone', why} {'unknown'}
local COPY = KEYS[12]
local ID = ARGV[1]
local s = redis.call('HMGET', COPY, 't', 'b', 'e', 'x', 'm', 'k', 'g', 'f', 'y')
if s[7] then return { 'gone', s[7] } end
if not s[1] then return { 'unknown' } end
if s[1] ~= ARGV[2] then return { 'gone', 'token' } end
local p = redis.call('HMGET', POLICY, 'epoch', 'loaded', 'idle', 'recheck', 'offset', 'day')
local exactly = instant()
local at = math.floor(exactly)
if p[4] and tonumber(p[4]) <= at then
  given_up(at)
  return { 'stale' }
end
if not p[2] or p[2] ~= p[1] or s[3] ~= p[1] then return { 'stale' } end
local last = redis.call('ZSCORE', SESSIONS, ID)
if not last then return { 'unknown' } end
if tonumber(s[4]) <= at then return { 'unknown' } end
local member, kind = s[5], 'visit'
if member ~= '' then
  local idle = tonumber(p[3])
  local lease = redis.call('ZSCORE', HOLDERS, member)
  if s[8] == 'm' then
    return { 'seatless' }
  elseif lease and tonumber(lease) > at then
    local day = today(at, p[5], p[6])
    local silent = at - math.max(tonumber(last), tonumber(lease) - idle) - IDLE_AFTER
    if silent > 0 then count(day, 'i', math.floor(silent)) end
    redis.call('ZADD', HOLDERS, at + idle, member)
    kind = 'pool'
  else
    lease = s[8] == 'a' and redis.call('ZSCORE', ALLOWANCE, member)
    if not lease or tonumber(lease) <= at then return { 'seatless' } end
    redis.call('ZADD', ALLOWANCE, at + idle, member)
    kind = 'allowance'
  end
  if s[9] then redis.call('ZADD', BEATS, at + SAFE_FOR, member .. ID) end
end
redis.call('ZADD', SESSIONS, exactly, ID)
return { 'ok', s[2], s[6], kind, {} }
