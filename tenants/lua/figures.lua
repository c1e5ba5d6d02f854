-- What was counted, by day, and the account's day now.
-- KEYS of the account up to its figures    ARGV 'read', or 'forget' and the days that are written down elsewhere and over...
local p = redis.call('HMGET', POLICY, 'offset', 'day')
if not p[1] then return {} end
local day = today(now(), p[1], p[2])
if ARGV[1] == 'read' then return { day, redis.call('HGETALL', USAGE) } end
for _, field in ipairs(redis.call('HKEYS', USAGE)) do
  local over = tonumber(string.match(field, '^(%d+):'))
  for i = 2, #ARGV do
    if over == tonumber(ARGV[i]) and over < day - 1 then redis.call('HDEL', USAGE, field) end
  end
end
return {}
