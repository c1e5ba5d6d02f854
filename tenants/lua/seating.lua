-- Whose seat is whose, and whose is taken for somebody else: after `shared.lua` (seat rules 5 and 6).

-- The last page was closed: the seat lingers for so long. The next page of a reload needs a moment to say that it is there.
local LINGERS_FOR, RELOADS_WITHIN = 60000, 3000

-- What became of seats in this call, for the history: holder, why, user who gets it.
local happened = {}

-- Tell browsers, if any listen: `to` a user, a session, or everyone in the account.
local function tell(to, kind, data)
  if redis.call('EXISTS', EARS) == 0 then return end
  -- As much as happens in a crowd at the door while somebody's connection comes back.
  redis.call('XADD', EVENTS, 'MAXLEN', '~', 1000, '*', 'to', to, 'kind', kind, 'data', data)
  redis.call('PEXPIRE', EVENTS, 120000)
  redis.call('PUBLISH', EVENTS, '')
end

local function numbers_changed() tell('', 'seats', '{}') end

-- The policy, or nil when PostgreSQL must be asked for it first.
local function current_policy(at)
  local v = redis.call('HMGET', POLICY, 'epoch', 'loaded', 'recheck', 'until', 'seats', 'idle', 'reclaim', 'accountants', 'offset',
    'day', 'reserved', 'reserved_until')
  if v[3] and tonumber(v[3]) <= at then
    given_up(at)
    return nil
  end
  if not v[2] or v[1] ~= v[2] or tonumber(v[4]) <= at then return nil end
  local kept = v[12] and tonumber(v[12]) > at and tonumber(v[11]) or 0
  return {
    epoch = v[1], seats = tonumber(v[5]), idle = tonumber(v[6]), reclaim = tonumber(v[7]), accountants = tonumber(v[8]),
    day = today(at, v[9], v[10]), kept = math.max(kept, 0), kept_until = tonumber(v[12] or 0),
  }
end

-- Which seats a member holds one of: the pool's, the allowance's, or none.
local function zone_of(member, at)
  local lease = redis.call('ZSCORE', HOLDERS, member)
  if lease and tonumber(lease) > at then return HOLDERS, tonumber(lease) end
  lease = redis.call('ZSCORE', ALLOWANCE, member)
  if lease and tonumber(lease) > at then return ALLOWANCE, tonumber(lease) end
  return nil
end

-- Leases that ran out: their holders were idle to the end, but for those whose last page was closed.
local function drop_expired(p, at)
  redis.call('ZREMRANGEBYSCORE', ALLOWANCE, '-inf', at)
  local dropped = redis.call('ZRANGEBYSCORE', HOLDERS, '-inf', at)
  if #dropped == 0 then return end
  redis.call('ZREMRANGEBYSCORE', HOLDERS, '-inf', at)
  for _, member in ipairs(dropped) do
    if redis.call('ZREM', LINGERING, member) == 0 and p.idle > IDLE_AFTER then count(p.day, 'i', p.idle - IDLE_AFTER) end
  end
  numbers_changed()
end

-- Is a browser of the holder there, when was their last request, and when did the last heartbeat's protection end? Sessions without
-- heartbeats are there until they are idle.
local function there(member, p, at)
  local sessions = redis.call('HGET', OWNED, member) or member
  local last, safe, latest = 0, false, 0
  for first = 1, #sessions, 32 do
    local id = string.sub(sessions, first, first + 31)
    local used = tonumber(redis.call('ZSCORE', SESSIONS, id) or 0)
    local until_when = redis.call('ZSCORE', BEATS, member .. id)
    last = math.max(last, used)
    if until_when then
      latest = math.max(latest, tonumber(until_when))
      safe = safe or tonumber(until_when) > at
    else
      safe = safe or used + p.idle > at
    end
  end
  return safe, last, latest
end

-- Was the last page of the holder closed, and no request made since? A request prolongs the lease.
local function lingers(member, lease)
  local closed = redis.call('ZSCORE', LINGERING, member)
  return closed and lease <= tonumber(closed) + LINGERS_FOR
end

-- Nobody is there any more: unless they come back, the seat is free after a while.
local function linger(member, at)
  local zone, lease = zone_of(member, at)
  if not zone then return end
  redis.call('ZADD', LINGERING, at, member)
  redis.call('PEXPIRE', LINGERING, DAY)
  redis.call('ZADD', zone, math.min(lease, at + LINGERS_FOR), member)
end

-- A holder loses their seat; the session lives on.
local function let_go(zone, member, why, by, user)
  redis.call('ZREM', zone, member)
  redis.call('ZREM', LINGERING, member)
  for _, each in ipairs({ member, why, user }) do happened[#happened + 1] = each end
  tell(member, 'seat_taken', cjson.encode({ why = why, by = by }))
  numbers_changed()
end

-- The one whose last browser has been silent for the longest time.
local function lost(zone, p, at)
  local skipped = 0
  while true do
    local entry = redis.call('ZRANGEBYSCORE', BEATS, '(0', at, 'WITHSCORES', 'LIMIT', skipped, 1)
    if not entry[1] then return nil end
    local member, ended = string.sub(entry[1], 1, 32), tonumber(entry[2])
    local where, lease = zone_of(member, at)
    if not where then
      -- Nobody looks at it again before its next sign of life; but the browser stays known as one that sends heartbeats.
      redis.call('ZADD', BEATS, -ended, entry[1])
    else
      local safe, _, latest = there(member, p, at)
      if where == zone and not safe and ended == latest and not lingers(member, lease) then return member end
      skipped = skipped + 1
    end
  end
end

-- The one whose page was closed first; or the milliseconds until it can no longer be a reload.
local function lingering(zone, at)
  local skipped = 0
  while true do
    local found = redis.call('ZRANGE', LINGERING, skipped, skipped, 'WITHSCORES')
    if not found[1] then return nil end
    local closed = tonumber(found[2])
    local where, lease = zone_of(found[1], at)
    if not where or lease > closed + LINGERS_FOR then
      redis.call('ZREM', LINGERING, found[1])
    elseif where ~= zone then
      skipped = skipped + 1
    elseif closed + RELOADS_WITHIN > at then
      return nil, closed + RELOADS_WITHIN - at
    else
      return found[1]
    end
  end
end

local function longest_idle(zone, p, at)
  if p.reclaim == 0 then return nil end
  local skipped = 0
  while true do
    local member = redis.call('ZRANGEBYSCORE', zone, '-inf', at + p.idle - p.reclaim, 'LIMIT', skipped, 1)[1]
    if not member then return nil end
    local _, last = there(member, p, at)
    -- A lease may end soon because nobody confirmed it yet, or because a page was closed: that is not idleness.
    if last > 0 and at - last >= p.reclaim then return member end
    skipped = skipped + 1
  end
end

-- Take somebody's seat for a user: a lost one, then a lingering one, then the longest idle where the account allows it.
-- True, or nothing and the milliseconds after which it is worth another try.
local function reclaim(zone, p, at, user)
  local member, why, soon = lost(zone, p, at), 'lost', nil
  if not member then
    member, soon = lingering(zone, at)
    why = 'lingering'
  end
  if not member then
    member, why = longest_idle(zone, p, at), 'idle'
  end
  if not member then return nil, soon end
  if zone == HOLDERS then
    local _, last = there(member, p, at)
    if last > 0 and at - last > IDLE_AFTER then count(p.day, 'i', math.floor(at - last - IDLE_AFTER)) end
  end
  let_go(zone, member, why, '', user)
  return true
end
