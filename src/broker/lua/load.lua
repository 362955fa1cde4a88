-- A job and its events.
-- ARGV prefix id entry; `entry` is that of its webhooks, if a later job may have its id, or empty.
-- {0}: it is not known; {1, fields, events}.
local job, events = job_key(ARGV[2]), events_key(ARGV[2])
if ARGV[3] ~= '' then
  job, events = hooked_job(ARGV[2], ARGV[3])
end
if not job or not is(job, 'hash') then
  return {0}
end
if is(events, 'stream') then
  return {1, redis.call('HGETALL', job), redis.call('XRANGE', events, '-', '+')}
end
-- A broker that needs room deletes any key of a finished job.
if is_ended(redis.call('HGET', job, 'status')) then
  return {0}
end
return {1, redis.call('HGETALL', job), {}}
