-- Cancels a job: at once if it waits, by its worker if it is being drawn.
-- ARGV prefix id created keep (kind data)...; the events that end a waiting job.
-- 0: there is nothing to cancel; 1: its worker is asked; 2: it has ended.
local id = ARGV[2]
local job = job_key(id)
if not is(job, 'hash') then
  return 0
end
local fields = redis.call('HMGET', job, 'created', 'place', 'worker', 'priority', 'caller', 'entry')
if fields[1] ~= ARGV[3] then
  return 0
end
if fields[2] == 'leased' then
  redis.call('HSET', job, 'cancel', '1')
  redis.call('PUBLISH', key('control:' .. fields[3]), id)
  return 1
end
if fields[2] ~= 'waiting' then
  return 0
end
for i = 5, #ARGV, 2 do
  append(id, ARGV[i], ARGV[i + 1])
end
redis.call('HSET', job, 'status', 'canceled', 'place', '')
wait_no_more(fields[4], fields[5], id)
drop_ticket(fields[4], fields[6])
keep(id, ARGV[4])
notify(id)
return 2
