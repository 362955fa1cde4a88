-- Cancels a job: at once if it waits, by its worker if it is being drawn.
-- ARGV prefix id created kept_for max_jobs max_bytes just_now (kind data)...; the events that end a waiting job.
-- 0: there is nothing to cancel; 1: its worker is asked; 2: it has ended.
local id = ARGV[2]
local job = job_key(id)
if not is_created(job, ARGV[3]) then
  return 0
end
local fields = redis.call('HMGET', job, 'place', 'worker', 'priority', 'caller', 'entry')
if fields[1] == 'leased' then
  redis.call('HSET', job, 'cancel', '1')
  redis.call('PUBLISH', key('control:' .. (fields[2] or '')), id)
  return 1
end
if fields[1] ~= 'waiting' then
  return 0
end
local priority = priority_in(fields[3])
expect_all(priority)
local failed = append_end(id, 8)
if failed then
  return failed
end
redis.call('HSET', job, 'status', 'canceled', 'place', '')
wait_no_more(priority, fields[4] or '', id)
drop_ticket_of(id, priority, fields[5])
keep(id, 4)
notify(id)
return 2
