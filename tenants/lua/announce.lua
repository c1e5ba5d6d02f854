-- Before a commit: should its process die, everything hot of the account is reread after a while.
-- KEYS policy, changes    ARGV change, milliseconds after which it is given up
local at = now() + tonumber(ARGV[2])
if redis.call('EXISTS', POLICY) == 0 then redis.call('HSET', POLICY, 'epoch', string.format('%.0f', now())) end
redis.call('ZADD', CHANGES, at, ARGV[1])
redis.call('HSET', POLICY, 'recheck', redis.call('ZRANGE', CHANGES, 0, 0, 'WITHSCORES')[2])
return 1
