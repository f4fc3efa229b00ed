-- Takes, keeps or gives back the right to restore the ledger, which one has at a time.
-- KEYS: the lease. ARGV: who asks, what for (take, keep, give), for how long (ms).
-- Answers 0 when somebody else has it, and when what is to be kept or given is gone.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or ARGV[2] ~= 'take') then
  return 0
end
if ARGV[2] == 'give' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
end
return 1
