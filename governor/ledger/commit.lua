-- Writes the records of people, each only over the version that it was made from.
-- KEYS: one key each. ARGV: two each, the 8 bytes of that version ('' for none yet) and the record.
-- Answers for each: 0 another version stands, 1 written, 2 written over one that had something waiting.
local marks = {}
for i, key in ipairs(KEYS) do
  local head = redis.call('GETRANGE', key, 0, 8)
  if string.sub(head, 2) ~= ARGV[2 * i - 1] then
    marks[i] = 0
  else
    redis.call('SET', key, ARGV[2 * i])
    marks[i] = head ~= '' and string.byte(head) >= 128 and 2 or 1
  end
end
return marks
