-- Before a commit: should its process die, everything hot of the account is reread after a while.
-- KEYS policy, changes    ARGV change, milliseconds after which it is given up
local at = now() + tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', now())) end
redis.call('ZADD', KEYS[2], at, ARGV[1])
redis.call('HSET', KEYS[1], 'recheck', redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
return 1
