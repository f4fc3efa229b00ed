-- Hands out the keys that are due and puts them off, so that others leave them alone for a while.
-- KEYS: the due index. ARGV: until (ms), how many at most, for how long (ms, 0 is not at all).
local keys = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if tonumber(ARGV[3]) > 0 then
  for _, key in ipairs(keys) do
    redis.call('ZADD', KEYS[1], ARGV[1] + ARGV[3], key)
  end
end
return keys
