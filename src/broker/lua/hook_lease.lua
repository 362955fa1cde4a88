-- Leases the webhooks of a job: those whose sender is lost, or else the next ones.
-- ARGV prefix sender lease take_over(0|1)
-- Those of jobs that only a newer version understands are left to it. {0}: there are none; {1, id, entry, created, fence, receiver, sent}; {-1, id}: damaged ones were dropped.
local sender, lease = ARGV[2], tonumber(ARGV[3])
local hooks = key('hooks')
local entry, id
if ARGV[4] == '1' then
  for _, found in ipairs(redis.call('XPENDING', hooks, SENDERS, 'IDLE', lease, '-', '+', 100)) do
    local read = redis.call('XRANGE', hooks, found[1], found[1])
    local hooked = read[1] and read[1][2][2]
    local known = hooked_job(hooked or '', found[1])
    if not (known and is_newer(known)) then
      entry, id = found[1], hooked
      redis.call('XCLAIM', hooks, SENDERS, sender, 0, entry, 'JUSTID')
      break
    end
  end
end
for _ = 1, 100 do
  if entry then
    break
  end
  local read = redis.call('XREADGROUP', 'GROUP', SENDERS, sender, 'COUNT', 1, 'STREAMS', hooks, '>')
  if not read then
    return {0}
  end
  local read_entry, read_id = read[1][2][1][1], read[1][2][1][2][2]
  local known = hooked_job(read_id or '', read_entry)
  if known and is_newer(known) then
    -- A newer process finds them at once as those of a lost sender.
    redis.call('XCLAIM', hooks, SENDERS, sender, 0, read_entry, 'IDLE', lease + 1, 'JUSTID')
  else
    entry, id = read_entry, read_id
  end
end
if not entry then
  return {0}
end
local job = hooked_job(id or '', entry)
if not job then
  redis.call('XACK', hooks, SENDERS, entry)
  redis.call('XDEL', hooks, entry)
  return {-1, id or ''}
end
if count_in(redis.call('HGET', job, 'hook_fence')) == 0 then
  -- After a number that somebody has changed, larger than any that a sender has.
  local fence = redis.call('HGET', job, 'hook_fence') == '0' and 0 or now_milliseconds()
  redis.call('HSET', job, 'hook_fence', string.format('%.0f', fence))
end
local fence = redis.call('HINCRBY', job, 'hook_fence', 1)
local fields = redis.call('HMGET', job, 'created', 'receiver', 'hook_sent')
return {1, id, entry, fields[1], tostring(fence), fields[2], fields[3] or ''}
