-- Waiting for a seat: come, look where one stands, leave (seat rule 9); and for administrators, see all who wait and send them away.
-- KEYS of the account    ARGV 'join', 'see' or 'leave' and the user; 'list'; 'clear' and a user or ''
-- {'place', ahead, seat held until or 0, waits since, happened} {'none', happened} {'stale'}
-- {'all', {user, since, seat held until or 0...}, happened} {'cleared', {user...}, happened}
local what, user = ARGV[1], ARGV[2]
local exactly = instant()
local at = math.floor(exactly)
local p = current_policy(at)
if not p then return { 'stale' } end
-- Who was away for too long begins anew.
forget_the_gone(at)
if what == 'join' then
  redis.call('ZADD', LINE, 'NX', exactly, user)
  redis.call('ZADD', PRESENT, at, user)
elseif what == 'see' then
  redis.call('ZADD', PRESENT, 'XX', at, user)
end
local away = {}
if what == 'leave' then
  out_of_line(user)
  redis.call('ZREM', OFFERS, user)
elseif what == 'clear' then
  away = user ~= '' and { user } or redis.call('ZRANGE', LINE, 0, -1)
  for i = #away, 1, -1 do
    local was = redis.call('ZREM', LINE, away[i])
    redis.call('ZREM', PRESENT, away[i])
    if was == 1 then redis.call('ZREM', OFFERS, away[i]) else table.remove(away, i) end
  end
end
redis.call('PEXPIRE', LINE, FORGOTTEN)
redis.call('PEXPIRE', PRESENT, FORGOTTEN)
serve(p, at)
if what == 'clear' then return { 'cleared', away, happened } end
if what == 'list' then
  local all, found = {}, redis.call('ZRANGE', LINE, 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    for _, each in ipairs({ found[i], found[i + 1], redis.call('ZSCORE', OFFERS, found[i]) or '0' }) do all[#all + 1] = each end
  end
  return { 'all', all, happened }
end
local ahead, held = redis.call('ZRANK', LINE, user), redis.call('ZSCORE', OFFERS, user)
if not ahead and not held then return { 'none', happened } end
if ahead and not held then waits(user, at, p.idle, p.day) end
return { 'place', ahead or 0, held or '0', ahead and redis.call('ZSCORE', LINE, user) or string.format('%.0f', at), happened }
