-- The events of a job after a number, for a follower, which also keeps an awaited job alive.
-- ARGV prefix id created after count life
-- {0}: the job is gone, or another one has its id; {1, events}.
local id = ARGV[2]
local job = job_key(id)
if not is_created(job, ARGV[3]) then
  return {0}
end
if ARGV[6] ~= '0' and redis.call('HGET', job, 'lifeline') == '1' then
  redis.call('SET', key('life:' .. id), '1', 'PX', ARGV[6])
end
return {1, redis.call('XRANGE', events_key(id), '(' .. ARGV[4] .. '-0', '+', 'COUNT', ARGV[5])}
