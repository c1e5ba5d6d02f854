-- Write the policy as PostgreSQL had it at an epoch; nothing when the epoch moved on meanwhile.
-- KEYS policy    ARGV epoch, seats, idle milliseconds, sessions alive in PostgreSQL, how long to keep seats for them,
--                     milliseconds until it must be read again, milliseconds of the account's clock east of UTC
local p = redis.call('HMGET', POLICY, 'epoch', 'loaded')
if p[1] ~= ARGV[1] then return 0 end
local at = now()
if not p[2] and tonumber(ARGV[4]) > 0 then
  redis.call('HSET', POLICY, 'reserved', ARGV[4], 'reserved_until', at + tonumber(ARGV[5]))
end
redis.call('HSET', POLICY, 'loaded', ARGV[1], 'seats', ARGV[2], 'idle', ARGV[3], 'until', at + tonumber(ARGV[6]), 'offset', ARGV[7])
return 1
