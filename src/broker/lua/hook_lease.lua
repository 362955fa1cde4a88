-- Leases the webhooks of a job: those whose sender is lost, or else the next ones.
-- ARGV prefix sender lease take_over(0|1)
-- Those of jobs that only a newer version understands are left to it. {0}: there are none; {1, id, entry, created, fence, receiver, sent}; {-1, id}: damaged ones were dropped.
local sender, lease = ARGV[2], tonumber(ARGV[3])
local hooks = key('hooks')
local entry, id, job

-- Takes an entry unless only a newer version understands its job.
local function take(found, hooked)
  local known = hooked_job(hooked or '', found)
  if known and is_newer(known) then
    return false
  end
  entry, id, job = found, hooked or '', known
  return true
end

if ARGV[4] == '1' then
  for _, found in ipairs(redis.call('XPENDING', hooks, SENDERS, 'IDLE', lease, '-', '+', 100)) do
    local read = redis.call('XRANGE', hooks, found[1], found[1])
    if take(found[1], read[1] and read[1][2][2]) then
      redis.call('XCLAIM', hooks, SENDERS, sender, 0, entry, 'JUSTID')
      break
    end
  end
end
for _ = 1, entry and 0 or 100 do
  local read = redis.call('XREADGROUP', 'GROUP', SENDERS, sender, 'COUNT', 1, 'STREAMS', hooks, '>')
  if not read then
    return {0}
  end
  local found = read[1][2][1]
  if take(found[1], found[2][2]) then
    break
  end
  -- A newer process finds them at once as those of a lost sender.
  redis.call('XCLAIM', hooks, SENDERS, sender, 0, found[1], 'IDLE', lease + 1, 'JUSTID')
end
if not entry then
  return {0}
end
if not job then
  redis.call('XACK', hooks, SENDERS, entry)
  redis.call('XDEL', hooks, entry)
  return {-1, id}
end
if count_in(redis.call('HGET', job, 'hook_fence')) == 0 then
  -- After a number that somebody has changed, larger than any that a sender has.
  local fence = redis.call('HGET', job, 'hook_fence') == '0' and 0 or now_milliseconds()
  redis.call('HSET', job, 'hook_fence', string.format('%.0f', fence))
end
local fence = redis.call('HINCRBY', job, 'hook_fence', 1)
local fields = redis.call('HMGET', job, 'created', 'receiver', 'hook_sent')
return {1, id, entry, fields[1], tostring(fence), fields[2], fields[3] or ''}
