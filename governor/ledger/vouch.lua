-- Vouches for a ledger that is still the one that was looked at, on a server that still runs.
-- KEYS: the record of trust. ARGV: its epoch, the run ids that were vouched for last ('' where somebody
-- doubts it), those that were seen, then names and values of fields.
-- Answers the counter, 0 when the ledger or the server is another one by now, or somebody doubts it since.
local running = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch, server = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'server'))
if epoch ~= ARGV[1] or (server or '') ~= ARGV[2] or not string.find(ARGV[3], running, 1, true) then
  return 0
end
redis.call('HSET', KEYS[1], 'server', ARGV[3])
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
return redis.call('HINCRBY', KEYS[1], 'counter', 1)
