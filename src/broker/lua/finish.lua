-- Ends a job that this worker has leased.
-- ARGV prefix id fence priority entry status keep dead (kind data)...; `dead` is its record in the dead list, or empty.
-- 1: done; 2: done before; -1: somebody else has the job.
local id, fence, priority, entry = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local job = job_key(id)
expect(job, 'hash')
expect(events_key(id), 'stream')
if not is_leased(job, fence) then
  if redis.call('HGET', job, 'ended_by') == fence then
    return 2
  end
  return -1
end
-- A script is not rolled back: what can fail comes first.
for i = 9, #ARGV, 2 do
  append(id, ARGV[i], ARGV[i + 1])
end
redis.call('HSET', job, 'status', ARGV[6], 'place', '', 'ended_by', fence)
drop_ticket(priority, entry)
if ARGV[8] ~= '' then
  local now = redis.call('TIME')
  redis.call('HSET', key('dead_jobs'), id, ARGV[8])
  redis.call('ZADD', key('dead'), now[1], id)
  if redis.call('ZCARD', key('dead')) > 10000 then
    local oldest = redis.call('ZPOPMIN', key('dead'))
    redis.call('HDEL', key('dead_jobs'), oldest[1])
  end
end
keep(id, ARGV[7])
notify(id)
return 1
