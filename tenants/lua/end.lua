-- A session is over: its seat is free at once, and its token is told why for as long as it would have lived.
-- KEYS of the account, session, the user's sessions    ARGV session id, user, why, seconds to remember
local COPY, OWN = KEYS[8], KEYS[9]
local at, p = now(), redis.call('HMGET', POLICY, 'offset', 'day')
today(at, p[1], p[2])
redis.call('DEL', COPY)
redis.call('HSET', COPY, 'g', ARGV[3])
redis.call('EXPIRE', COPY, ARGV[4])
redis.call('ZREM', SESSIONS, ARGV[1])
redis.call('ZREM', OWN, ARGV[1])
redis.call('ZREM', HOLDERS, ARGV[1])
redis.call('ZREMRANGEBYSCORE', OWN, '-inf', at)
if redis.call('ZCARD', OWN) == 0 then redis.call('ZREM', HOLDERS, ARGV[2]) end
return 1
