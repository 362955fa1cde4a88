-- Leases the webhooks of a job: those whose sender is lost, or else the next ones.
-- ARGV prefix sender lease take_over(0|1)
-- {0}: there are none; {1, id, entry, created, fence, receiver, sent}; {-1, id}: damaged ones were dropped.
local sender, lease = ARGV[2], tonumber(ARGV[3])
local hooks = key('hooks')
local entry, id
if ARGV[4] == '1' then
  local found = redis.call('XPENDING', hooks, SENDERS, 'IDLE', lease, '-', '+', 1)
  if found[1] then
    entry = found[1][1]
    redis.call('XCLAIM', hooks, SENDERS, sender, 0, entry, 'JUSTID')
    local read = redis.call('XRANGE', hooks, entry, entry)
    id = read[1] and read[1][2][2]
  end
end
if not entry then
  local read = redis.call('XREADGROUP', 'GROUP', SENDERS, sender, 'COUNT', 1, 'STREAMS', hooks, '>')
  if not read then
    return {0}
  end
  entry = read[1][2][1][1]
  id = read[1][2][1][2][2]
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
