-- The events of a job after a number, for a follower, which also keeps an awaited job alive.
-- ARGV prefix id created after count life
-- {0}: the job is gone, or another one has its id; {1, events, number of its newest event, ended(0|1)}.
local id = ARGV[2]
local job = job_key(id)
if not is_created(job, ARGV[3]) then
  return {0}
end
if ARGV[6] ~= '0' and redis.call('HGET', job, 'lifeline') == '1' then
  redis.call('SET', key('life:' .. id), '1', 'PX', ARGV[6])
end
local fields = redis.call('HMGET', job, 'events', 'status')
local found = redis.call('XRANGE', events_key(id), '(' .. ARGV[4] .. '-0', '+', 'COUNT', ARGV[5])
return {1, found, count_in(fields[1]), is_ended(fields[2]) and 1 or 0}
