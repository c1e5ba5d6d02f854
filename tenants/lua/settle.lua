-- After a commit or a rollback: the change is no longer under way; with 'raise', what it changed is reread at the next request.
-- KEYS policy, changes    ARGV change, 'raise' or 'keep'
redis.call('ZREM', KEYS[2], ARGV[1])
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[2] then redis.call('HSET', KEYS[1], 'recheck', first[2]) else redis.call('HDEL', KEYS[1], 'recheck') end
if ARGV[2] == 'raise' and redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
return 1
