-- Publishes events of a drawing.
-- ARGV prefix id fence drawn (kind data)...; `drawn` is the number of events of the drawing before these.
-- {1, cancel(0|1)}; {-1}: somebody else has the job; {-2}: events before these are missing.
local id, fence = ARGV[2], ARGV[3]
local job, events = job_key(id), events_key(id)
if not is(job, 'hash') then
  return {-1}
end
local fields = redis.call('HMGET', job, 'fence', 'place', 'drawn', 'events', 'cancel')
if fields[1] ~= fence or fields[2] ~= 'leased' then
  return {-1}
end
local drawn, number = count_in(fields[3]), count_in(fields[4])
local index = tonumber(ARGV[4])
if index > drawn then
  return {-2}
end
local failed
for i = 5, #ARGV, 2 do
  index = index + 1
  -- What an earlier attempt has published is not published again.
  if index > drawn then
    failed = add_event(events, number + 1, ARGV[i], ARGV[i + 1])
    if failed then
      break
    end
    number = number + 1
    drawn = index
  end
end
-- Only events that are there count.
redis.call('HSET', job, 'events', number, 'drawn', drawn)
if failed then
  return failed
end
notify(id)
return {1, tonumber(fields[5]) or 0}
