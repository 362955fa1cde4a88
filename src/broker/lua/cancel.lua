-- Cancels a job: at once if it waits, by its worker if it is being drawn.
-- ARGV prefix id created keep (kind data)...; the events that end a waiting job.
-- 0: there is nothing to cancel; 1: its worker is asked; 2: it has ended.
local id = ARGV[2]
local job = job_key(id)
if not is_created(job, ARGV[3]) then
  return 0
end
local fields = redis.call('HMGET', job, 'place', 'worker', 'priority', 'caller', 'entry')
if fields[1] == 'leased' then
  redis.call('HSET', job, 'cancel', '1')
  redis.call('PUBLISH', key('control:' .. fields[2]), id)
  return 1
end
if fields[1] ~= 'waiting' then
  return 0
end
for i = 5, #ARGV, 2 do
  append(id, ARGV[i], ARGV[i + 1])
end
redis.call('HSET', job, 'status', 'canceled', 'place', '')
wait_no_more(fields[3], fields[4], id)
drop_ticket(fields[3], fields[5])
keep(id, ARGV[4])
notify(id)
return 2
