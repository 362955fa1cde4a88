-- Ends a job that this worker has leased.
-- ARGV prefix id fence status kept_for max_jobs max_bytes just_now dead (kind data)...; `dead` is its record in the dead list, or empty.
-- 1: done; 2: done before; -1: somebody else has the job.
local id, fence = ARGV[2], ARGV[3]
local job = job_key(id)
expect(job, 'hash')
if not is_leased(job, fence) then
  if redis.call('HGET', job, 'ended_by') == fence then
    return 2
  end
  return -1
end
-- A script is not rolled back: what can fail comes first.
append_end(id, 10)
local fields = redis.call('HMGET', job, 'priority', 'entry')
redis.call('HSET', job, 'status', ARGV[4], 'place', '', 'ended_by', fence)
drop_ticket_of(id, priority_in(fields[1]), fields[2])
keep(id, 5)
if ARGV[9] ~= '' then
  expect(key('dead'), 'zset')
  expect(key('dead_jobs'), 'hash')
  redis.call('HSET', key('dead_jobs'), id, ARGV[9])
  redis.call('ZADD', key('dead'), now_milliseconds() / 1000, id)
  if redis.call('ZCARD', key('dead')) > 10000 then
    local oldest = redis.call('ZPOPMIN', key('dead'))
    redis.call('HDEL', key('dead_jobs'), oldest[1])
  end
end
notify(id)
return 1
