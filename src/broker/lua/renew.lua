-- Renews a lease.
-- ARGV prefix id fence worker look(0|1); whether a life that was not renewed means that nobody waits.
-- {1, cancel(0|1)}; {-1}: somebody else has the job.
local id = ARGV[2]
local job = job_key(id)
if not is_leased(job, ARGV[3]) then
  return {-1}
end
local fields = redis.call('HMGET', job, 'priority', 'entry', 'cancel', 'lifeline')
hold_ticket(id, priority_in(fields[1]), fields[2], ARGV[4])
-- Nobody waits for the job any more.
if ARGV[5] == '1' and fields[4] == '1' and redis.call('EXISTS', key('life:' .. id)) == 0 then
  return {1, 1}
end
return {1, tonumber(fields[3]) or 0}
