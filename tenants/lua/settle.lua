-- After a commit or a rollback: the change is no longer under way; with 'raise', what it changed is reread at the next request.
-- KEYS policy, changes, line    ARGV change, 'raise' or 'keep'
-- 1 when the change may let in somebody who waits, else 0
redis.call('ZREM', CHANGES, ARGV[1])
local first = redis.call('ZRANGE', CHANGES, 0, 0, 'WITHSCORES')
if first[2] then redis.call('HSET', POLICY, 'recheck', first[2]) else redis.call('HDEL', POLICY, 'recheck') end
if ARGV[2] == 'raise' and redis.call('EXISTS', POLICY) == 1 then redis.call('HINCRBY', POLICY, 'epoch', 1) end
return ARGV[2] == 'raise' and redis.call('EXISTS', KEYS[3]) or 0
