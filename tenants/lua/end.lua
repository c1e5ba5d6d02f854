-- A session is over: its seat is free at once, and its token is told why for as long as it would have lived.
-- KEYS session, holders, sessions, the user's sessions    ARGV session id, user, why, seconds to remember
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'g', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now())
if redis.call('ZCARD', KEYS[4]) == 0 then redis.call('ZREM', KEYS[2], ARGV[2]) end
return 1
