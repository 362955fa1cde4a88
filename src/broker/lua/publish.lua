-- Publishes events of a drawing, and renews its lease.
-- ARGV prefix id fence worker drawn (kind data)...; `drawn` is the number of events of the drawing before these.
-- {1, cancel(0|1)}; {-1}: somebody else has the job; {-2}: events before these are missing.
local id, fence = ARGV[2], ARGV[3]
local job = job_key(id)
if not is_leased(job, fence) then
  return {-1}
end
local fields = redis.call('HMGET', job, 'drawn', 'priority', 'entry', 'cancel')
local drawn = count_in(fields[1])
local index = tonumber(ARGV[5])
if index > drawn then
  return {-2}
end
for i = 6, #ARGV, 2 do
  index = index + 1
  -- What an earlier attempt has published is not published again.
  if index > drawn then
    append(id, ARGV[i], ARGV[i + 1])
    redis.call('HSET', job, 'drawn', index)
  end
end
hold_ticket(id, priority_in(fields[2]), fields[3], ARGV[4])
notify(id)
return {1, tonumber(fields[4]) or 0}
