-- Every request with a session: who is it, and does it hold its seat? (seat rules 1 and 4)
-- KEYS of the account, session    ARGV session id, token digest
-- {'ok', blob, since} {'full', blob, in use, seats} {'stale'} {'gone', why} {'unknown'}
local s = redis.call('HMGET', KEYS[8], 't', 'b', 'e', 'x', 'm', 'k', 'g')
if s[7] then return { 'gone', s[7] } end
if not s[1] then return { 'unknown' } end
if s[1] ~= ARGV[2] then return { 'gone', 'token' } end
local p = redis.call('HMGET', POLICY, 'epoch', 'loaded', 'seats', 'idle', 'recheck', 'until', 'offset', 'day')
local exactly = instant()
local at = math.floor(exactly)
if p[5] and tonumber(p[5]) <= at then
  given_up(at)
  return { 'stale' }
end
if not p[2] or p[2] ~= p[1] or s[3] ~= p[1] then return { 'stale' } end
local last = redis.call('ZSCORE', SESSIONS, ARGV[1])
if not last then return { 'unknown' } end
if tonumber(s[4]) <= at then return { 'unknown' } end
local member, since = s[5], s[6]
if member ~= '' then
  local day = today(at, p[7], p[8])
  local lease = redis.call('ZSCORE', HOLDERS, member)
  if lease and tonumber(lease) > at then
    local idle = tonumber(p[4])
    local silent = at - math.max(tonumber(last), tonumber(lease) - idle) - IDLE_AFTER
    if silent > 0 then count(day, 'i', math.floor(silent)) end
    redis.call('ZADD', HOLDERS, at + idle, member)
  else
    local seat = seated(member, { seats = p[3], idle = p[4], ['until'] = p[6] }, at, day)
    if seat == 3 then return { 'stale' } end
    if seat == 0 then return { 'full', s[2], redis.call('ZCARD', HOLDERS), p[3] } end
    since = at
    redis.call('HSET', KEYS[8], 'k', at)
  end
end
redis.call('ZADD', SESSIONS, exactly, ARGV[1])
return { 'ok', s[2], since }
