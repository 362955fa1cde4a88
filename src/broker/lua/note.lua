-- Adds a line about the delivery of a job to its log.
-- ARGV prefix id created line
-- 0: the job is gone; 1: done.
local id = ARGV[2]
local job = job_key(id)
if not is_created(job, ARGV[3]) then
  return 0
end
local failed = append(id, 'note', ARGV[4])
if failed then
  return failed
end
notify(id)
return 1
