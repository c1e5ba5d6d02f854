-- A look at a session that keeps no seat: to listen, to say that a page is still there, or that it was closed (seat rule 5).
-- KEYS of the account, session    ARGV session id, token digest, 'look', 'beat' or 'close', the page or ''
-- {'ok', blob, since, kind, happened} {'stale'} {'gone', why} {'unknown'}
local COPY = KEYS[20]
local ID, what, page = ARGV[1], ARGV[3], ARGV[4]
local s = redis.call('HMGET', COPY, 't', 'b', 'e', 'x', 'm', 'k', 'g', 'y')
if s[7] then return { 'gone', s[7] } end
if not s[1] then return { 'unknown' } end
if s[1] ~= ARGV[2] then return { 'gone', 'token' } end
local at, v = now(), redis.call('HMGET', POLICY, 'epoch', 'loaded', 'recheck', 'idle', 'offset', 'day',
  'reserved_until')
if v[3] and tonumber(v[3]) <= at then
  given_up(at)
  return { 'stale' }
end
if not v[2] or v[2] ~= v[1] or s[3] ~= v[1] then return { 'stale' } end
if tonumber(s[4]) <= at then return { 'unknown' } end
local member, answer = s[5], { 'ok', s[2], s[6], 'none', happened }
if what == 'look' or member == '' then return answer end
-- Redis forgot a moment ago: a page that is there stands for somebody at work.
local recent = v[7] and tonumber(v[7]) + AT_WORK_FIRST > at
if what == 'beat' and recent and not redis.call('ZSCORE', SESSIONS, ID) then return { 'unknown' } end
today(at, v[5], v[6])

-- Pages that were there a moment ago; whoever names none is one page, and closing it closes all.
local pages = {}
if not (what == 'close' and page == '') then
  for each, seen in string.gmatch(s[8] or '', '([^ ]*) (%d+) ') do
    if each ~= page and tonumber(seen) + SAFE_FOR > at then
      pages[#pages + 1] = each .. ' ' .. seen .. ' '
    end
  end
end
if what == 'beat' then pages[#pages + 1] = page .. ' ' .. string.format('%.0f', at) .. ' ' end
while #pages > 20 do table.remove(pages, 1) end
redis.call('HSET', COPY, 'y', table.concat(pages))
local open = #pages
redis.call('ZADD', BEATS, open > 0 and at + SAFE_FOR or at, member .. ID)
redis.call('PEXPIRE', BEATS, DAY)

local zone, lease = zone_of(member, at)
if not zone then return answer end
local p = { idle = tonumber(v[4]) }
local safe, last = there(member, p, at)
if open > 0 then
  if lingers(member, lease) then redis.call('ZADD', zone, math.max(lease, last + p.idle), member) end
  redis.call('ZREM', LINGERING, member)
elseif not safe then
  linger(member, at)
end
return answer
