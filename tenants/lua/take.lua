-- A sign-in asks for a seat, before anything is written (seat rules 1, 3, 6, 7, 12).
-- KEYS of the account, the user's sessions, the replaced one's user's sessions
-- ARGV user, session, unit ('user' or 'session'), sessions per user, replaced session or '', its user or '', milliseconds until confirmed,
--      live sessions of the user as PostgreSQL knows them...
-- {'ok', epoch, ended sessions...} {'full', in use, seats} {'stale'} {'reserved', milliseconds}
local OWN, OTHERS = KEYS[8], KEYS[9]
local p = redis.call('HMGET', POLICY, 'epoch', 'loaded', 'seats', 'recheck', 'reserved', 'reserved_until', 'idle', 'until', 'offset', 'day')
local exactly = instant()
local at = math.floor(exactly)
if p[4] and tonumber(p[4]) <= at then given_up(at) return { 'stale' } end
if not p[2] or p[2] ~= p[1] or (p[8] and tonumber(p[8]) <= at) then return { 'stale' } end
local idle, day = tonumber(p[7]), today(at, p[9], p[10])
drop_expired(at, idle, day)
redis.call('ZREMRANGEBYSCORE', OWN, '-inf', at)

local user, unit = ARGV[1], ARGV[3]
local member = unit == 'user' and user or ARGV[2]

-- Own sessions over the limit go, least recently used first; with a replacement named, that one first.
-- PostgreSQL's list counts as well: Redis may have forgotten some of them.
local own, by_use = {}, {}
for _, id in ipairs(redis.call('ZRANGE', OWN, 0, -1)) do own[id] = true end
for i = 8, #ARGV do own[ARGV[i]] = true end
for id in pairs(own) do
  if id ~= ARGV[5] then by_use[#by_use + 1] = { id, tonumber(redis.call('ZSCORE', SESSIONS, id) or 0) } end
end
table.sort(by_use, function(a, b) if a[2] == b[2] then return a[1] < b[1] end return a[2] < b[2] end)
local ended = {}
if ARGV[5] ~= '' then ended[1] = ARGV[5] end
for i = 1, #by_use - tonumber(ARGV[4]) + 1 do ended[#ended + 1] = by_use[i][1] end

-- Which seats come free by that? A user's shared seat only with their last session.
local freed = {}
if unit == 'session' then
  for _, id in ipairs(ended) do if redis.call('ZSCORE', HOLDERS, id) then freed[#freed + 1] = id end end
elseif ARGV[6] ~= '' and ARGV[6] ~= user and ended[1] == ARGV[5] then
  redis.call('ZREMRANGEBYSCORE', OTHERS, '-inf', at)
  if redis.call('ZCARD', OTHERS) <= 1 and redis.call('ZSCORE', HOLDERS, ARGV[6]) then freed[1] = ARGV[6] end
end

local held = redis.call('ZSCORE', HOLDERS, member)
local in_use = redis.call('ZCARD', HOLDERS)
local seats = tonumber(p[3])
if not held and #freed == 0 then
  if in_use >= seats then
    -- Whoever waits is a person, whatever holds the seats.
    refused(user, in_use, at, idle, day)
    return { 'full', in_use, seats }
  end
  -- Redis forgot a moment ago: seats are kept for those who were at work.
  local reserved = tonumber(p[5] or 0)
  if p[6] and tonumber(p[6]) > at and in_use + reserved >= seats then return { 'reserved', tonumber(p[6]) - at } end
  took(user, in_use + 1, at, idle, day)
end
count(day, 's', 1)
for _, id in ipairs(freed) do redis.call('ZREM', HOLDERS, id) end
for _, id in ipairs(ended) do
  redis.call('ZREM', SESSIONS, id)
  redis.call('ZREM', OWN, id)
end
if ARGV[5] ~= '' then redis.call('ZREM', OTHERS, ARGV[5]) end
-- Until the sign-in is written, all of it is given up after a few seconds: a killed process leaks nothing.
local pending = at + tonumber(ARGV[7])
if not held or tonumber(held) < pending then redis.call('ZADD', HOLDERS, pending, member) end
redis.call('ZREMRANGEBYSCORE', SESSIONS, '-inf', at - 8 * DAY)
redis.call('ZADD', SESSIONS, exactly, ARGV[2])
redis.call('ZADD', OWN, pending, ARGV[2])
redis.call('EXPIRE', OWN, 60, 'NX')
return { 'ok', p[1], unpack(ended) }
