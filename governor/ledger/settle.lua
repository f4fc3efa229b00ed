-- Moves hints to where a committed standing says, unless a later version has been announced since.
-- KEYS: the due index, the announced versions. ARGV: three each, key, version and wake (ms, '' none).
for i = 1, #ARGV, 3 do
  local announced = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if not announced or tonumber(announced) <= tonumber(ARGV[i + 1]) then
    if ARGV[i + 2] == '' then
      redis.call('ZREM', KEYS[1], ARGV[i])
      redis.call('ZREM', KEYS[2], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], 'XX', ARGV[i + 2], ARGV[i])
    end
  end
end
