-- Vouches for a ledger that is still the one that was looked at.
-- KEYS: the record of trust. ARGV: its epoch, then names and values of fields. Returns the counter, 0 if it is another.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('HINCRBY', KEYS[1], 'counter', 1)
