-- Write the policy as PostgreSQL had it at an epoch; nothing when the epoch moved on meanwhile.
-- KEYS policy    ARGV epoch, seats, idle milliseconds, sessions alive in PostgreSQL, how long to keep seats for them
local p = redis.call('HMGET', KEYS[1], 'epoch', 'loaded')
if p[1] ~= ARGV[1] then return 0 end
if not p[2] and tonumber(ARGV[4]) > 0 then
  redis.call('HSET', KEYS[1], 'reserved', ARGV[4], 'reserved_until', now() + tonumber(ARGV[5]))
end
redis.call('HSET', KEYS[1], 'loaded', ARGV[1], 'seats', ARGV[2], 'idle', ARGV[3])
return 1
