-- One candidate of one person against consent, six caps and intrusiveness, and its send if it may go.
-- KEYS: person, all sends, sends on the topic, sends of the campaign
-- ARGV: now, message, midnight, plain exposure, half-life, ceiling, 1 within the allowed hours (times in ms)
local now, message, midnight = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local hour, day, week = 3600000, 86400000, 604800000
if redis.call('ZSCORE', KEYS[2], message) then return {'repeat'} end
local known = redis.call('HMGET', KEYS[1], 'consent', 'pressure', 'pressed_at')
local function sent(key, since) return redis.call('ZCOUNT', key, '(' .. since, '+inf') end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - week)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - week)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - week)
local counts = {
  sent(KEYS[2], now - hour), sent(KEYS[2], now - day), sent(KEYS[2], now - week),
  redis.call('ZCOUNT', KEYS[2], midnight, '+inf'), sent(KEYS[3], now - day),
  sent(KEYS[4], now - week),
}
local pressure = tonumber(known[2] or '0')
if known[3] then pressure = pressure * 2 ^ ((tonumber(known[3]) - now) / tonumber(ARGV[5])) end
local repeats = math.min(1 + 0.25 * sent(KEYS[3], now - week), 2)
local after = pressure + tonumber(ARGV[4]) * repeats
local code = 'released'
local limits = {20, 40, 60, 40, 15, 30}
for place, count in ipairs(counts) do
  if count >= limits[place] then code = 'cap_reached' end
end
if known[1] ~= 'grant' then code = 'no_consent' end
if code == 'released' and ARGV[7] ~= '1' then code = 'quiet_hours' end
if code == 'released' and after > tonumber(ARGV[6]) then code = 'too_intrusive' end
if code == 'released' then
  for place = 2, 4 do
    redis.call('ZADD', KEYS[place], now, message)
    redis.call('PEXPIRE', KEYS[place], week)
  end
  redis.call('HSET', KEYS[1], 'pressure', tostring(after), 'pressed_at', now)
end
return {code, tostring(pressure), tostring(after), unpack(counts)}
