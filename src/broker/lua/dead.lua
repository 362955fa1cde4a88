-- Removes a job from the dead list.
-- ARGV prefix id
-- 1: done; 0: it is not there.
redis.call('ZREM', key('dead'), ARGV[2])
return redis.call('HDEL', key('dead_jobs'), ARGV[2])
