-- Who waits for a seat, and who gets one: after `seating.lua`, before every script that seats anybody (seat rules 3, 8, 9, 11, 15).
-- A seat that comes free goes to whoever may return first, then to the head of the line, then to whoever asks.

-- A seat is held for the head of the line; who waits gives a sign of life every few seconds.
local OFFERED_FOR, PRESENT_FOR = 60000, 30000
-- Who was put out only to make room may return first.
local RETURNS_WITHIN = 120000
-- A colleague who is asked for their seat; who answered is left alone; nobody who asked is there any more.
local ANSWERS_WITHIN, LATER, LEFT_ALONE, ASKS_FOR, ASKER_GONE = 60000, 300000, 900000, 600000, 120000
-- Nothing that waits outlives this without anybody looking.
local FORGOTTEN = 3600000
-- After Redis forgot, whoever was at work comes back first: a page says that it is there every 30 seconds.
local AT_WORK_FIRST = 30000

local function out_of_line(user)
  redis.call('ZREM', LINE, user)
  redis.call('ZREM', PRESENT, user)
end

local function offer(user, until_when)
  redis.call('ZADD', OFFERS, until_when, user)
  redis.call('PEXPIRE', OFFERS, FORGOTTEN)
  tell(user, 'seat_offered', '{"until":' .. string.format('%.0f', until_when) .. '}')
end

local function keep_ask(id, ask)
  redis.call('HSET', ASKS, id, cjson.encode(ask))
  redis.call('PEXPIRE', ASKS, FORGOTTEN)
end

local function tell_asked(id, ask, each)
  local told = { id = id, name = ask.name, again = each.n > 1, may_later = each.n == 1 }
  tell(each.m, 'seat_requested', cjson.encode(told))
end

local function tell_over(id, ask, but)
  for _, each in ipairs(ask.to) do
    if each.m ~= but and (each.s == 'asked' or each.s == 'later') then tell(each.m, 'seat_request_over', cjson.encode({ id = id })) end
  end
end

local function drop_ask(id, ask)
  if ask.state == 'asked' then tell_over(id, ask) end
  redis.call('HDEL', ASKS, id)
end

-- A holder's seat is held for whoever asked. Nothing while the pool drains: the seat would come free for nobody.
local function hand_over(id, ask, each, why, p, at)
  if redis.call('ZCARD', HOLDERS) + redis.call('ZCARD', OFFERS) > p.seats then return false end
  let_go(HOLDERS, each.m, why, ask.name, ask.by)
  redis.call('ZADD', ANSWERED, at + LEFT_ALONE, each.m)
  redis.call('PEXPIRE', ANSWERED, LEFT_ALONE)
  each.s, ask.state, ask['until'] = 'released', 'released', at + OFFERED_FOR
  tell_over(id, ask, each.m)
  out_of_line(ask.by)
  offer(ask.by, at + OFFERED_FOR)
  return true
end

-- One hand-over as time passes: who said later is asked once more, who is idle and silent for a minute hands over.
local function pass_time(id, ask, p, at)
  local open, said_no = 0, false
  for _, each in ipairs(ask.to) do
    local lease = redis.call('ZSCORE', HOLDERS, each.m)
    if (each.s == 'asked' or each.s == 'later') and not (lease and tonumber(lease) > at) then each.s = 'gone' end
    if each.s == 'later' and at >= each.t + LATER then
      each.s, each.t, each.n = 'asked', at, 2
      tell_asked(id, ask, each)
    end
    if each.s == 'asked' and at >= each.t + ANSWERS_WITHIN then
      local _, last = there(each.m, p, at)
      if at - last >= IDLE_AFTER and hand_over(id, ask, each, 'not_answered', p, at) then return end
    end
    if each.s == 'asked' or each.s == 'later' then open = open + 1 end
    said_no = said_no or each.s == 'no'
  end
  if open == 0 then ask.state = said_no and 'refused' or 'over' end
end

-- Ids are in the order in which they were given: who asked first comes first.
local function asks_in_order()
  local ids = redis.call('HKEYS', ASKS)
  table.sort(ids)
  return ids
end

local function look_after_asks(p, at)
  for _, id in ipairs(asks_in_order()) do
    local ask = cjson.decode(redis.call('HGET', ASKS, id))
    if at - ask.at > ASKS_FOR or (ask.state == 'asked' and at - ask.seen > ASKER_GONE) then
      drop_ask(id, ask)
    elseif ask.state == 'asked' then
      pass_time(id, ask, p, at)
      keep_ask(id, ask)
    end
  end
end

-- The first in line for whom no seat is held yet.
local function next_in_line()
  local place = 0
  while true do
    local user = redis.call('ZRANGE', LINE, place, place)[1]
    if not user or not redis.call('ZSCORE', OFFERS, user) then return user end
    place = place + 1
  end
end

-- The last in line for whom a seat is held.
local function last_offered()
  local found, place = nil, -1
  for _, user in ipairs(redis.call('ZRANGE', OFFERS, 0, -1)) do
    local rank = redis.call('ZRANK', LINE, user)
    if rank and rank > place then found, place = user, rank end
  end
  return found
end

local function forget_the_gone(at)
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', OFFERS, '-inf', at)) do
    redis.call('ZREM', OFFERS, user)
    out_of_line(user)
  end
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', PRESENT, '-inf', at - PRESENT_FOR)) do
    if redis.call('ZREM', LINE, user) == 1 then redis.call('ZREM', OFFERS, user) end
    redis.call('ZREM', PRESENT, user)
  end
  redis.call('ZREMRANGEBYSCORE', RETURNING, '-inf', at)
end

-- Who may return first and has a seat held already needs no second one: it is held for as long as they may return.
local function prolong_offers()
  local found = redis.call('ZRANGE', RETURNING, 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local held = redis.call('ZSCORE', OFFERS, found[i])
    if held then
      redis.call('ZREM', RETURNING, found[i])
      offer(found[i], math.max(tonumber(held), tonumber(found[i + 1])))
    end
  end
end

-- Everybody who waits, before anybody new: seats that are free are held for them.
local function serve(p, at)
  drop_expired(p, at)
  look_after_asks(p, at)
  if redis.call('EXISTS', LINE, OFFERS, RETURNING) == 0 then return end
  forget_the_gone(at)
  if p.kept_until + AT_WORK_FIRST > at then return end
  local free = p.seats - redis.call('ZCARD', HOLDERS) - redis.call('ZCARD', OFFERS)
  -- The cap was lowered: what cannot be kept is taken back, last first, and keeps its place in line.
  while free < 0 do
    local user = last_offered()
    if not user then return end
    redis.call('ZREM', OFFERS, user)
    free = free + 1
  end
  prolong_offers()
  while true do
    local first = redis.call('ZRANGE', RETURNING, 0, 0, 'WITHSCORES')
    local waiting = next_in_line()
    if free == 0 and waiting and reclaim(HOLDERS, p, at, first[1] or waiting) then free = 1 end
    if free <= 0 or not (first[1] or waiting) then return end
    if first[1] then
      redis.call('ZREM', RETURNING, first[1])
      offer(first[1], tonumber(first[2]))
    else
      offer(waiting, at + OFFERED_FOR)
    end
    free = free - 1
  end
end

-- May the user be seated in the pool now? After `serve`. True, or nothing and the milliseconds after which it is worth another try.
local function room(p, at, user, keeps)
  local in_use = redis.call('ZCARD', HOLDERS)
  if redis.call('ZSCORE', OFFERS, user) then return in_use < p.seats end
  local left = p.seats - in_use - redis.call('ZCARD', OFFERS) - (keeps and p.kept or 0)
  if left > 0 then return not (keeps and p.kept_until + AT_WORK_FIRST > at and next_in_line()) end
  local first = redis.call('ZRANGE', RETURNING, 0, 0)[1]
  if left < 0 or next_in_line() or (first and first ~= user) then return nil end
  return reclaim(HOLDERS, p, at, user)
end

-- Whoever has a seat waits for none any more, and asks nobody.
local function waits_no_more(user)
  out_of_line(user)
  redis.call('ZREM', OFFERS, user)
  redis.call('ZREM', RETURNING, user)
  local all = redis.call('HGETALL', ASKS)
  for i = 1, #all, 2 do
    local ask = cjson.decode(all[i + 1])
    if ask.by == user then drop_ask(all[i], ask) end
  end
end

-- The user sits in the pool now, on a seat that nobody else held.
local function settle_in(user, p, at)
  took(user, redis.call('ZCARD', HOLDERS) + 1, at, p.idle, p.day)
  waits_no_more(user)
  numbers_changed()
end

-- An accountant's own seat, before the pool.
local function allowed(p, at, user)
  redis.call('ZREMRANGEBYSCORE', ALLOWANCE, '-inf', at)
  local in_use = redis.call('ZCARD', ALLOWANCE)
  return in_use < p.accountants or (in_use == p.accountants and in_use > 0 and reclaim(ALLOWANCE, p, at, user))
end

-- Keep the member's seat, or take one. Returns where it is (nothing without one), and whether it is new.
-- `quietly`: whoever gets none is not counted among those who wait.
local function seated(member, user, external, p, at, quietly)
  local zone = zone_of(member, at)
  if zone then
    redis.call('ZADD', zone, at + p.idle, member)
    redis.call('ZREM', LINGERING, member)
    return zone, false
  end
  if external and allowed(p, at, user) then
    waits_no_more(user)
    redis.call('ZADD', ALLOWANCE, at + p.idle, member)
    return ALLOWANCE, true
  end
  serve(p, at)
  if room(p, at, user) then
    settle_in(user, p, at)
    redis.call('ZADD', HOLDERS, at + p.idle, member)
    return HOLDERS, true
  end
  if not quietly then waits(user, at, p.idle, p.day) end
  return nil
end
