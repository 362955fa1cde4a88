-- The descriptions of all files that clients have sent.
-- ARGV prefix
local index = key('files')
expect(index, 'zset')
local files = {}
for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local file = key('file:' .. id)
  local description = is(file, 'hash') and redis.call('HGET', file, 'description')
  if description then
    files[#files + 1] = description
  else
    redis.call('ZREM', index, id)
    expect(key('file_sizes'), 'hash')
    redis.call('HDEL', key('file_sizes'), id)
  end
end
return files
