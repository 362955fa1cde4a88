-- Adds a line about the delivery of a job to its log.
-- ARGV prefix id created line
-- 0: the job is gone; 1: done.
local id = ARGV[2]
local job = job_key(id)
if not is(job, 'hash') or redis.call('HGET', job, 'created') ~= ARGV[3] then
  return 0
end
append(id, 'note', ARGV[4])
notify(id)
return 1
