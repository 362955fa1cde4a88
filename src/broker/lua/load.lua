-- A job and its events.
-- ARGV prefix id
-- {0}: it is not known; {1, fields, events}.
local id = ARGV[2]
local job = job_key(id)
if redis.call('EXISTS', job) == 0 then
  return {0}
end
return {1, redis.call('HGETALL', job), redis.call('XRANGE', events_key(id), '-', '+')}
