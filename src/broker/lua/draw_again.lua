-- Lets a job go on although nobody waits for it on a connection.
-- ARGV prefix id created
-- 0: the job is gone; 1: done.
local job = job_key(ARGV[2])
if not is_created(job, ARGV[3]) then
  return 0
end
redis.call('HSET', job, 'lifeline', '0')
redis.call('DEL', key('life:' .. ARGV[2]))
return 1
