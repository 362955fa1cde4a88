-- Ends the lease of webhooks: all are delivered, or another sender is to go on.
-- ARGV prefix id entry fence done(0|1) sender lease kept_for max_jobs max_bytes just_now
-- 1: done; -1: somebody else sends them.
local id, entry = ARGV[2], ARGV[3]
local job, events = leased_hooks(id, entry, ARGV[4])
if not job then
  return -1
end
local hooks = key('hooks')
if ARGV[5] == '1' then
  redis.call('XACK', hooks, SENDERS, entry)
  redis.call('XDEL', hooks, entry)
  redis.call('HDEL', job, 'hook', 'receiver')
  if job ~= job_key(id) then
    redis.call('DEL', job, events)
  elseif redis.call('HEXISTS', job, 'kept_until') == 1 then
    -- A job that has ended was kept for its webhooks; from now on it is kept as long as any other.
    add_ended(id)
    limit_ended(8)
  end
else
  redis.call('HINCRBY', job, 'hook_fence', 1)
  redis.call('XCLAIM', hooks, SENDERS, ARGV[6], 0, entry, 'IDLE', ARGV[7] + 1, 'JUSTID')
  redis.call('PUBLISH', hooks, '')
end
return 1
