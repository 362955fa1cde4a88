-- The events of a job after a number, for a follower, which also keeps an awaited job alive.
-- ARGV prefix id created after count life
-- {0}: the job is gone, or another one has its id; {1, events, number of its newest event, ended(0|1)}.
local id = ARGV[2]
local job = job_key(id)
local fields = is(job, 'hash') and redis.call('HMGET', job, 'created', 'events', 'status', 'lifeline') or {}
if fields[1] ~= ARGV[3] then
  return {0}
end
if ARGV[6] ~= '0' and fields[4] == '1' then
  redis.call('SET', key('life:' .. id), '1', 'PX', ARGV[6])
end
local newest, found = count_in(fields[2]), {}
if newest > tonumber(ARGV[4]) then
  found = redis.call('XRANGE', events_key(id), '(' .. ARGV[4] .. '-0', '+', 'COUNT', ARGV[5])
end
return {1, found, newest, is_ended(fields[3]) and 1 or 0}
