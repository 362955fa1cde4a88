-- Ends a job that this worker has leased.
-- ARGV prefix id fence status kept_for max_jobs max_bytes just_now dead (kind data)...; `dead` is its record in the dead list,
-- or empty.
-- 1: done; 2: done before; -1: somebody else has the job.
local id, fence = ARGV[2], ARGV[3]
local job = job_key(id)
expect(job, 'hash')
local fields = redis.call('HMGET', job, 'priority', 'entry')
local priority = priority_in(fields[1])
if not is_leased(job, fence) then
  if redis.call('HGET', job, 'ended_by') == fence then
    return 2
  end
  return -1
end
-- What can fail comes first.
expect_all(priority)
local failed = append_end(id, 10)
if failed then
  return failed
end
redis.call('HSET', job, 'status', ARGV[4], 'place', '', 'ended_by', fence)
drop_ticket_of(id, priority, fields[2])
if ARGV[9] ~= '' then
  redis.call('HSET', key('dead_jobs'), id, ARGV[9])
  redis.call('ZADD', key('dead'), now_milliseconds() / 1000, id)
  if redis.call('ZCARD', key('dead')) > 10000 then
    local oldest = redis.call('ZPOPMIN', key('dead'))
    redis.call('HDEL', key('dead_jobs'), oldest[1])
  end
end
keep(id, 5)
notify(id)
return 1
