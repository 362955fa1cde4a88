-- Gives a job back: it is the next one of its caller.
-- ARGV prefix id fence counts(0|1); `counts`: whether the attempt counts.
-- 1: done; -1: somebody else has the job.
local id, fence = ARGV[2], ARGV[3]
local job = job_key(id)
if not is_leased(job, fence) then
  return -1
end
local fields = redis.call('HMGET', job, 'priority', 'caller', 'entry', 'begun')
local priority = priority_in(fields[1])
if fields[4] == fence and ARGV[4] == '0' then
  redis.pcall('HINCRBY', job, 'attempts', -1)
end
drop_ticket_of(id, priority, fields[3])
local entry = new_ticket(priority, id)
redis.call('HINCRBY', job, 'fence', 1)
redis.call('HSET', job, 'place', 'waiting', 'entry', entry)
wait_at_front(priority, fields[2] or '', id)
wake_worker()
return 1
