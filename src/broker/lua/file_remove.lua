-- Removes a file that a client has sent.
-- ARGV prefix id
-- Whether there was one.
local id = ARGV[2]
expect(key('files'), 'zset')
expect(key('file_sizes'), 'hash')
redis.call('ZREM', key('files'), id)
redis.call('HDEL', key('file_sizes'), id)
return redis.call('DEL', key('file:' .. id))
