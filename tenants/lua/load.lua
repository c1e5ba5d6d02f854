-- Write the policy as PostgreSQL had it at an epoch, and let in whoever waits for what it changed; nothing when the epoch moved on meanwhile.
-- KEYS of the account    ARGV epoch, seats, idle milliseconds, sessions alive in PostgreSQL, how long to keep seats for them,
--                             milliseconds until it must be read again, milliseconds of the account's clock east of UTC,
--                             milliseconds after which an idle seat may be taken (0: never), seats of the accountants' allowance
local v = redis.call('HMGET', POLICY, 'epoch', 'loaded')
if v[1] ~= ARGV[1] then return happened end
local at = now()
if not v[2] and tonumber(ARGV[4]) > 0 then
  redis.call('HSET', POLICY, 'reserved', ARGV[4], 'reserved_until', at + tonumber(ARGV[5]))
end
redis.call('HSET', POLICY, 'loaded', ARGV[1], 'seats', ARGV[2], 'idle', ARGV[3], 'until', at + tonumber(ARGV[6]), 'offset', ARGV[7],
  'reclaim', ARGV[8], 'accountants', ARGV[9])
local p = current_policy(at)
if p then
  serve(p, at)
  numbers_changed()
end
return happened
