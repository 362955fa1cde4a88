-- Removes a job from the dead list and returns its record, or nothing.
-- ARGV prefix id
local record = redis.call('HGET', key('dead_jobs'), ARGV[2])
redis.call('HDEL', key('dead_jobs'), ARGV[2])
redis.call('ZREM', key('dead'), ARGV[2])
return record
