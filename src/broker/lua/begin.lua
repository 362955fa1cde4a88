-- Counts an attempt to draw a job, before its first step.
-- ARGV prefix id fence provenance drawn; `drawn` is how many events of the drawing the worker has found.
-- {1, provenance of the attempt before}; {-1}: somebody else has the job.
local job = job_key(ARGV[2])
if not is_leased(job, ARGV[3]) then
  return {-1}
end
local before = redis.call('HGET', job, 'provenance')
if redis.call('HGET', job, 'begun') ~= ARGV[3] then
  redis.call('HINCRBY', job, 'attempts', 1)
end
redis.call('HSET', job, 'status', 'processing', 'provenance', ARGV[4], 'begun', ARGV[3], 'drawn', ARGV[5])
return {1, before or ''}
