-- Keeps a file that a client has sent for a time, if there is room.
-- ARGV prefix id description content milliseconds total_bytes count
-- 1: it is kept; 0: there would be too many bytes; -1: there are too many files.
local id, content = ARGV[2], ARGV[4]
local index, sizes, file = key('files'), key('file_sizes'), key('file:' .. id)
expect(index, 'zset')
expect(sizes, 'hash')
local now = now_milliseconds()
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', string.format('%.0f', now))) do
  redis.call('DEL', key('file:' .. expired))
  redis.call('ZREM', index, expired)
  redis.call('HDEL', sizes, expired)
end
if is(file, 'hash') and redis.call('ZSCORE', index, id) then
  -- The answer to the same request was lost.
  return 1
end
local bytes = string.len(content)
for _, size in ipairs(redis.call('HVALS', sizes)) do
  bytes = bytes + (tonumber(size) or 0)
end
if bytes > tonumber(ARGV[6]) then
  return 0
end
if redis.call('ZCARD', index) >= tonumber(ARGV[7]) then
  return -1
end
-- A broker without memory refuses a script only at its first change, and only if that needs memory. So nothing is removed first.
expect(file, 'hash')
redis.call('HSET', file, 'description', ARGV[3], 'content', content)
redis.call('PEXPIRE', file, ARGV[5])
redis.call('HSET', sizes, id, string.len(content))
redis.call('ZADD', index, string.format('%.0f', now + tonumber(ARGV[5])), id)
return 1
