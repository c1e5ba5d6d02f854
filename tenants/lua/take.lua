-- A sign-in asks for a seat, before anything is written (seat rules 1, 3, 6, 7, 9, 10, 11, 12, 15).
-- KEYS of the account, the user's sessions, the replaced one's user's sessions
-- ARGV user, session, unit ('user' or 'session'), sessions per user, replaced session or '', its user or '', milliseconds until confirmed,
--      which seat ('a': the accountants' first, 'm': none if the pool is full, to manage), live sessions of the user as PostgreSQL knows them...
-- {'ok', epoch, kind, ended sessions, happened} {'full', in use, seats, held for who waits, happened} {'soon', milliseconds, happened} {'stale'}
-- {'reserved', milliseconds, happened}
local OWN, OTHERS = KEYS[20], KEYS[21]
local exactly = instant()
local at = math.floor(exactly)
local p = current_policy(at)
if not p then return { 'stale' } end
serve(p, at)

local user, id, unit, replaced, replaced_user, which = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[6], ARGV[8]
local member = unit == 'user' and user or id

-- Own sessions over the limit go, least recently used first; with a replacement named, that one first.
-- PostgreSQL's list counts as well: Redis may have forgotten some of them.
local own, by_use = {}, {}
for _, each in ipairs(redis.call('ZRANGEBYSCORE', OWN, '(' .. at, '+inf')) do own[each] = true end
for i = 9, #ARGV do own[ARGV[i]] = true end
for each in pairs(own) do
  if each ~= replaced then by_use[#by_use + 1] = { each, tonumber(redis.call('ZSCORE', SESSIONS, each) or 0) } end
end
table.sort(by_use, function(a, b) if a[2] == b[2] then return a[1] < b[1] end return a[2] < b[2] end)
local ended = {}
if replaced ~= '' then ended[1] = replaced end
for i = 1, #by_use - tonumber(ARGV[4]) + 1 do ended[#ended + 1] = by_use[i][1] end

-- Which seats come free by that? A user's shared seat only with their last session.
local freed = {}
if unit == 'session' then
  for _, each in ipairs(ended) do
    if zone_of(each, at) then freed[#freed + 1] = each end
  end
elseif replaced_user ~= '' and replaced_user ~= user then
  local theirs = redis.call('ZRANGEBYSCORE', OTHERS, '(' .. at, '+inf')
  if (not theirs[1] or (theirs[1] == replaced and not theirs[2])) and zone_of(replaced_user, at) then freed[1] = replaced_user end
end

local zone, lease = zone_of(member, at)
for _, each in ipairs(freed) do
  local theirs = zone_of(each, at)
  if not zone and (theirs == HOLDERS or which == 'a') then zone = theirs end
end
if not zone and which == 'a' and allowed(p, at, user) then zone = ALLOWANCE end
local kind = zone == ALLOWANCE and 'allowance' or 'pool'
if not zone then
  local free, soon = room(p, at, user, true)
  if free then
    zone = HOLDERS
    settle_in(user, p, at)
  elseif soon then
    return { 'soon', soon, happened }
  elseif p.kept > 0 and redis.call('ZCARD', HOLDERS) + redis.call('ZCARD', OFFERS) < p.seats then
    -- Redis forgot a moment ago: seats are kept for those who were at work.
    return { 'reserved', p.kept_until - at, happened }
  elseif which == 'm' then
    kind = 'management'
  else
    -- Whoever waits is a person, whatever holds the seats.
    local in_use = redis.call('ZCARD', HOLDERS)
    refused(user, in_use + redis.call('ZCARD', OFFERS), at, p.idle, p.day)
    return { 'full', in_use, p.seats, redis.call('ZCARD', OFFERS), happened }
  end
end
count(p.day, 's', 1)
local was_there = replaced_user ~= '' and there(replaced_user, p, at)
for _, each in ipairs(freed) do
  redis.call('ZREM', HOLDERS, each)
  redis.call('ZREM', ALLOWANCE, each)
  redis.call('ZREM', LINGERING, each)
end
for _, each in ipairs(ended) do
  redis.call('ZREM', SESSIONS, each)
  redis.call('ZREM', OWN, each)
  redis.call('ZREM', BEATS, each .. each, user .. each)
end
if replaced ~= '' then
  redis.call('ZREM', OTHERS, replaced)
  redis.call('ZREMRANGEBYSCORE', OTHERS, '-inf', at)
  redis.call('ZREM', BEATS, replaced_user .. replaced)
  redis.call('HSET', OWNED, replaced_user, table.concat(redis.call('ZRANGE', OTHERS, 0, -1)))
  if replaced_user ~= user and was_there and not there(replaced_user, p, at) then linger(replaced_user, at) end
end
-- Until the sign-in is written, all of it is given up after a few seconds: a killed process leaks nothing.
local pending = at + tonumber(ARGV[7])
if zone then
  if not lease or lease < pending then redis.call('ZADD', zone, pending, member) end
  redis.call('ZREM', LINGERING, member)
  waits_no_more(user)
end
redis.call('ZREMRANGEBYSCORE', SESSIONS, '-inf', at - 8 * DAY)
redis.call('ZREMRANGEBYSCORE', BEATS, 8 * DAY - at, at - 8 * DAY)
redis.call('ZADD', SESSIONS, exactly, id)
redis.call('ZADD', BEATS, pending, member .. id)
redis.call('PEXPIRE', BEATS, DAY)
redis.call('ZREMRANGEBYSCORE', OWN, '-inf', at)
redis.call('ZADD', OWN, pending, id)
redis.call('EXPIRE', OWN, 60, 'NX')
redis.call('HSET', OWNED, user, table.concat(redis.call('ZRANGE', OWN, 0, -1)))
redis.call('EXPIRE', OWNED, 60, 'NX')
numbers_changed()
return { 'ok', p.epoch, kind, ended, happened }
