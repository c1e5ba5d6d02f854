-- Asking colleagues for their seat, and their answers (seat rule 8). A hand-over, as JSON: by (user), name, at, seen (when its asker last
-- looked), state (asked, released, refused, over), until (the seat is held), to: m holder, s (asked, later, no, released, gone),
-- t when asked, n how many times.
-- KEYS of the account
-- ARGV 'ask', id, user, name, holders that are the user's own..., and at the end the holder asked or ''
--      'see' or 'withdraw', id, user;   'asked', user, session;   'answer', id, user, session, 'release', 'later' or 'no'
-- {'handover', id, JSON, happened} {'asked', {id, JSON...}, happened} {'refused', why, milliseconds, happened} {'none', happened} {'stale'}
local what = ARGV[1]
local at = now()
-- Every question is looked at whenever anybody is served: so many holders of one hand-over wait to answer, and so many are kept.
local MOST_ASKED, MOST_KEPT = 20, 100
local p = current_policy(at)
if not p then return { 'stale' } end

local function refuse(why, wait) return { 'refused', why, wait or 0, happened } end

local function of(user)
  local all = redis.call('HGETALL', ASKS)
  for i = 1, #all, 2 do
    local ask = cjson.decode(all[i + 1])
    if ask.by == user and ask.state == 'asked' then return all[i], ask end
  end
end

-- Why a holder cannot be asked; nothing when they can.
local function not_to_be_asked(member, ask)
  local zone = zone_of(member, at)
  if zone ~= HOLDERS then return 'not_holding' end
  for _, each in ipairs(ask.to) do
    if each.m == member and (each.s == 'asked' or each.s == 'later') then return 'asked' end
  end
  local until_when = redis.call('ZSCORE', ANSWERED, member)
  if until_when then return 'answered', tonumber(until_when) - at end
end

if what == 'ask' then
  serve(p, at)
  redis.call('ZREMRANGEBYSCORE', ANSWERED, '-inf', at)
  local user, wanted = ARGV[3], ARGV[#ARGV]
  if room(p, at, user) then return refuse('room') end
  if redis.call('ZCARD', HOLDERS) + redis.call('ZCARD', OFFERS) > p.seats then return refuse('draining') end
  local own = {}
  for i = 5, #ARGV - 1 do own[ARGV[i]] = true end
  local id, ask = of(user)
  if not id and redis.call('HLEN', ASKS) >= MOST_KEPT then return refuse('nobody') end
  if not id then id, ask = ARGV[2], { by = user, name = ARGV[4], at = at, state = 'asked', to = {} } end
  ask.at, ask.seen = at, at
  local why, wait, asked, open = 'nobody', nil, 0, 0
  for _, each in ipairs(ask.to) do
    if each.s == 'asked' or each.s == 'later' then open = open + 1 end
  end
  -- The longest idle first.
  local holders = wanted ~= '' and { wanted } or redis.call('ZRANGE', HOLDERS, 0, -1)
  for _, member in ipairs(holders) do
    if wanted == '' and open >= MOST_ASKED then
      asked = open
      break
    elseif own[member] then
      why = 'own'
    else
      local reason, left = not_to_be_asked(member, ask)
      if not reason and open < MOST_ASKED then
        local each = { m = member, s = 'asked', t = at, n = 1 }
        ask.to[#ask.to + 1] = each
        tell_asked(id, ask, each)
        asked, open = asked + 1, open + 1
      elseif reason == 'asked' then
        asked = asked + 1
      elseif reason then
        why = reason
        wait = wait and left and math.min(wait, left) or wait or left
      end
    end
  end
  if asked == 0 then return refuse(wanted == '' and 'nobody' or why, wait) end
  keep_ask(id, ask)
  return { 'handover', id, cjson.encode(ask), happened }
end

serve(p, at)
if what == 'asked' then
  local found = {}
  for _, id in ipairs(asks_in_order()) do
    local ask = cjson.decode(redis.call('HGET', ASKS, id))
    for _, each in ipairs(ask.state == 'asked' and ask.to or {}) do
      if (each.m == ARGV[2] or each.m == ARGV[3]) and each.s == 'asked' then
        found[#found + 1] = id
        found[#found + 1] = cjson.encode({ name = ask.name, at = each.t, again = each.n > 1, may_later = each.n == 1 })
      end
    end
  end
  return { 'asked', found, happened }
end

local id = ARGV[2]
local text = redis.call('HGET', ASKS, id)
if not text then return { 'none', happened } end
local ask = cjson.decode(text)
if what == 'see' or what == 'withdraw' then
  if ask.by ~= ARGV[3] then return { 'none', happened } end
  if what == 'withdraw' then
    drop_ask(id, ask)
    return { 'handover', id, text, happened }
  end
  ask.seen = at
  keep_ask(id, ask)
  return { 'handover', id, cjson.encode(ask), happened }
end

-- Who said no may be asked again: the open question is the one that is answered.
local mine = nil
for _, each in ipairs(ask.to) do
  if (each.m == ARGV[3] or each.m == ARGV[4]) and not (mine and (mine.s == 'asked' or mine.s == 'later')) then mine = each end
end
if not mine then return { 'none', happened } end
if ask.state ~= 'asked' or (mine.s ~= 'asked' and mine.s ~= 'later') then return refuse('answered') end
local answer = ARGV[5]
if answer == 'later' and (mine.n > 1 or mine.s == 'later') then return refuse('later_once') end
if answer == 'release' then
  if not hand_over(id, ask, mine, 'handed_over', p, at) then return refuse('draining') end
else
  mine.s, mine.t = answer, at
  redis.call('ZADD', ANSWERED, at + LEFT_ALONE, mine.m)
  redis.call('PEXPIRE', ANSWERED, LEFT_ALONE)
  tell(mine.m, 'seat_request_over', cjson.encode({ id = id }))
  pass_time(id, ask, p, at)
end
keep_ask(id, ask)
-- The asker may have had a seat held for them already: then this one is the next one's.
serve(p, at)
return { 'handover', id, cjson.encode(ask), happened }
