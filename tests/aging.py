"""Lets time pass for one account's seats: every moment that Redis keeps of it moves into the past. The scripts are the real ones."""

from uuid import UUID

from tenants.valkey import Script, Valkey

_PASS_TIME = Script("""
local account, back = '{' .. ARGV[1] .. '}', tonumber(ARGV[2])

-- Below zero stands a moment that counts for less: it moves as well.
local function moved(score)
  score = tonumber(score)
  return string.format('%.3f', score < 0 and score + back or score - back)
end

local function move_scores(key)
  local found = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do redis.call('ZADD', key, 'XX', moved(found[i + 1]), found[i]) end
end

local function move_fields(key, names)
  for _, name in ipairs(names) do
    local found = redis.call('HGET', key, name)
    if found then redis.call('HSET', key, name, string.format('%.0f', found - back)) end
  end
end

local function move_pages(key)
  local pages = redis.call('HGET', key, 'y')
  if not pages then return end
  local later = string.gsub(pages, '([^ ]*) (%d+) ', function(page, seen) return page .. ' ' .. string.format('%.0f', seen - back) .. ' ' end)
  redis.call('HSET', key, 'y', later)
end

local function move_asks(key)
  local found = redis.call('HGETALL', key)
  for i = 1, #found, 2 do
    local ask = cjson.decode(found[i + 1])
    for _, name in ipairs({ 'at', 'seen', 'until' }) do
      if ask[name] then ask[name] = ask[name] - back end
    end
    for _, each in ipairs(ask.to) do each.t = each.t - back end
    redis.call('HSET', key, found[i], cjson.encode(ask))
  end
end

for kind in string.gmatch('chnwvbliqzakm', '.') do move_scores(kind .. ':' .. account) end
move_fields('p:' .. account, { 'until', 'recheck', 'reserved_until' })
move_asks('j:' .. account)
for _, key in ipairs(redis.call('KEYS', 's:' .. account .. ':*')) do
  move_fields(key, { 'x', 'k' })
  move_pages(key)
end
for _, key in ipairs(redis.call('KEYS', 'u:' .. account .. ':*')) do move_scores(key) end
""")


async def pass_time(valkey: Valkey, account_id: UUID, seconds: float) -> None:
    """As if so many seconds had gone by without anything happening. PostgreSQL's clock does not move."""
    await valkey.run(_PASS_TIME, (), (account_id.hex, f"{seconds * 1000:.3f}"))
