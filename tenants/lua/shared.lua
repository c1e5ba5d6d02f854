-- Put before every script. One account's keys share the hash tag {account}; time is the server's own, in milliseconds.
--
--   p:{account}          hash   the policy: epoch, loaded (epoch it was read at), seats, idle, recheck, reserved, reserved_until
--   c:{account}          zset   changes that were announced and not settled yet, by the time at which they are given up
--   h:{account}          zset   who holds a seat (user or session, by the account's seat unit), by the end of the lease
--   n:{account}          zset   live sessions, by their last request
--   u:{account}:<user>   zset   live sessions of one user, by their absolute end
--   s:{account}:<id>     hash   hot copy: t token digest, b blob, e epoch, x absolute end, m member in h, k since; or g, why it is gone

-- Milliseconds with a fraction: two requests of one millisecond still have an order.
local function instant()
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end

local function now() return math.floor(instant()) end

-- A change that was announced and never settled: its process died around the commit. Everything is reread.
local function given_up(policy, changes, at)
  redis.call('ZREMRANGEBYSCORE', changes, '-inf', at)
  redis.call('HINCRBY', policy, 'epoch', 1)
  local first = redis.call('ZRANGE', changes, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('HSET', policy, 'recheck', first[2])
  else
    redis.call('HDEL', policy, 'recheck')
  end
end

-- Keep the member's seat, or take a free one. Returns 1 when it holds one now, 2 when that is a new one, 0 when none is free.
local function seated(holders, member, seats, idle, at)
  local lease = redis.call('ZSCORE', holders, member)
  if lease and tonumber(lease) > at then
    redis.call('ZADD', holders, at + idle, member)
    return 1
  end
  redis.call('ZREMRANGEBYSCORE', holders, '-inf', at)
  if redis.call('ZCARD', holders) >= seats then return 0 end
  redis.call('ZADD', holders, at + idle, member)
  return 2
end
