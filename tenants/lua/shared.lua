-- Put before every script. One account's keys share the hash tag {account}; time is the server's own, in milliseconds.
-- KEYS begins, as far as a script needs them, with these; what only one script needs comes after them.
--
--   p:{account}          hash   the policy: epoch, loaded (epoch it was read at), seats, idle, reclaim (0: never), accountants, recheck,
--                               reserved, reserved_until, until (when a boost or the day ends: read it again), offset (of the account's
--                               clock), day (last counted)
--   c:{account}          zset   changes that were announced and not settled yet, by the time at which they are given up
--   h:{account}          zset   who holds a seat (user or session, by the account's seat unit), by the end of the lease
--   n:{account}          zset   live sessions, by their last request
--   d:{account}          hash   what happened, by day: see `count`
--   w:{account}          zset   who was refused and waits, by their last try
--   v:{account}          zset   seats:holder, whom so many seats would have let in, by their last try
--   b:{account}          zset   holder and session in one, of browsers that send heartbeats and of sign-ins under way, by when their
--                               protection ends; below zero when it ended and the holder had no seat left
--   l:{account}          zset   holders whose last page was closed, by when
--   o:{account}          hash   the live sessions of each user, one after the other
--   i:{account}          zset   as h: seats of the accountants' allowance
--   q:{account}          zset   users who wait in line, by when they came
--   z:{account}          zset   the same users, by their last sign of life
--   a:{account}          zset   users for whom a seat is held, by until when
--   k:{account}          zset   users who may return first, by until when
--   j:{account}          hash   hand-overs that were asked for, as JSON: see `handover.lua`
--   m:{account}          zset   holders who answered one, by until when they are left alone
--   e:{account}          stream what browsers are told; its name is also the channel that says so
--   r:{account}          string exists while a process listens
--
--   u:{account}:<user>   zset   live sessions of one user, by their absolute end
--   s:{account}:<id>     hash   hot copy: t token digest, b blob, e epoch, x absolute end, m member in h (none needs no seat), u user,
--                               f which seat (a: the accountants' first, m: none, for management), k since, y pages that send heartbeats;
--                               or g, why it is gone
local POLICY, CHANGES, HOLDERS, SESSIONS, USAGE, WAITING, LET_IN = unpack(KEYS, 1, 7)
local BEATS, LINGERING, OWNED, ALLOWANCE = unpack(KEYS, 8, 11)
local LINE, PRESENT, OFFERS, RETURNING, ASKS, ANSWERED, EVENTS, EARS = unpack(KEYS, 12, 19)
local DAY = 86400000
-- A seat whose holder made no request for so long counts as idle; it is what lists of people show as idle.
local IDLE_AFTER = 300000
-- A browser that sends heartbeats every 30 seconds keeps its seat safe for so long.
local SAFE_FOR = 90000
-- How many seats more than there are the advice looks at.
local ADVISED = 20

-- Milliseconds with a fraction: two requests of one millisecond still have an order.
local function instant()
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end

local function now() return math.floor(instant()) end

-- A change that was announced and never settled: its process died around the commit. Everything is reread.
local function given_up(at)
  redis.call('ZREMRANGEBYSCORE', CHANGES, '-inf', at)
  redis.call('HINCRBY', POLICY, 'epoch', 1)
  local first = redis.call('ZRANGE', CHANGES, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('HSET', POLICY, 'recheck', first[2])
  else
    redis.call('HDEL', POLICY, 'recheck')
  end
end

-- One day's figures, as fields <days since 1970>:<what>: p most seats held at once, s sign-ins, r refusals, w milliseconds waited,
-- i milliseconds that held seats were idle, t<n> seats taken as the n-th, a<n> refusals that n seats would have avoided.
local function count(day, what, by) redis.call('HINCRBY', USAGE, day .. ':' .. what, by) end

-- The account's day. The first change of a day finds those at work who hold their seats since the day before: call it before
-- anything about holders changes.
local function today(at, offset, counted)
  offset = tonumber(offset or 0)
  local day = math.floor((at + offset) / DAY)
  if tostring(day) ~= counted then
    redis.call('HSET', POLICY, 'day', day)
    -- One life of the figures: should the server forget them, the next life is added to this one.
    redis.call('HSETNX', USAGE, 'life', string.format('%.0f', at))
    local held = redis.call('ZCOUNT', HOLDERS, '(' .. (day * DAY - offset), '+inf')
    -- Clocks may have been set back into a day that was counted already: its peak stands.
    local peak = redis.call('HGET', USAGE, day .. ':p')
    if held > tonumber(peak or 0) then redis.call('HSET', USAGE, day .. ':p', held) end
  end
  return day
end

-- Somebody got in who did not hold a seat: they are the n-th.
local function took(member, nth, at, idle, day)
  count(day, 't' .. nth, 1)
  local peak = redis.call('HGET', USAGE, day .. ':p')
  if not peak or tonumber(peak) < nth then redis.call('HSET', USAGE, day .. ':p', nth) end
  local tried = redis.call('ZSCORE', WAITING, member)
  if not tried then return end
  if at - tried <= idle then count(day, 'w', math.floor(at - tried)) end
  redis.call('ZREM', WAITING, member)
  for _, let_in in ipairs(redis.call('ZRANGE', LET_IN, 0, -1)) do
    if string.sub(let_in, -#member) == member then redis.call('ZREM', LET_IN, let_in) end
  end
end

-- Somebody waits for a seat. What passed since their last try is time waited.
local function waits(member, at, idle, day)
  redis.call('ZREMRANGEBYSCORE', WAITING, '-inf', at - idle)
  local tried = redis.call('ZSCORE', WAITING, member)
  if tried then count(day, 'w', math.floor(at - tried)) end
  redis.call('ZADD', WAITING, at, member)
  -- All of it is too old by then, whether or not anybody comes back to the account.
  redis.call('PEXPIRE', WAITING, idle)
end

-- A sign-in is refused. For every number of seats that there might have been: would this person have got in, beside those whom it
-- would have let in before? They would hold their seats for as long as anybody does who makes no request.
local function refused(member, in_use, at, idle, day)
  count(day, 'r', 1)
  waits(member, at, idle, day)
  redis.call('ZREMRANGEBYSCORE', LET_IN, '-inf', at - idle)
  local beside, inside = {}, {}
  for _, let_in in ipairs(redis.call('ZRANGE', LET_IN, 0, -1)) do
    local seats, holder = string.match(let_in, '^(%d+):(.*)$')
    seats = tonumber(seats)
    beside[seats] = (beside[seats] or 0) + 1
    if holder == member then inside[seats] = true end
  end
  for seats = in_use + 1, in_use + ADVISED do
    if inside[seats] or in_use + (beside[seats] or 0) < seats then
      redis.call('ZADD', LET_IN, at, seats .. ':' .. member)
      count(day, 'a' .. seats, 1)
    end
  end
  redis.call('PEXPIRE', LET_IN, idle)
end
