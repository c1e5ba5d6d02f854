-- The epoch of an account, begun at the clock's time when there is none: after Redis forgot, it never meets an old one again.
-- KEYS policy
local epoch = redis.call('HGET', POLICY, 'epoch')
if not epoch then
  epoch = string.format('%.0f', now())
  redis.call('HSET', POLICY, 'epoch', epoch)
end
return epoch
