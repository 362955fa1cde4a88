-- Ends the lease of webhooks: all are delivered, or another sender is to go on.
-- ARGV prefix id entry fence done(0|1) sender lease
-- 1: done; -1: somebody else sends them.
local job = job_key(ARGV[2])
if not are_hooks_leased(job, ARGV[3], ARGV[4]) then
  return -1
end
local hooks = key('hooks')
if ARGV[5] == '1' then
  redis.call('XACK', hooks, SENDERS, ARGV[3])
  redis.call('XDEL', hooks, ARGV[3])
  redis.call('HDEL', job, 'hook', 'receiver')
  -- A job that has ended was kept for its webhooks; from now on it is kept as long as any other.
  local until_time = redis.call('HGET', job, 'kept_until')
  if until_time and redis.call('PTTL', job) > 0 then
    redis.call('PEXPIREAT', job, until_time)
    redis.call('PEXPIREAT', events_key(ARGV[2]), until_time)
  end
else
  redis.call('HINCRBY', job, 'hook_fence', 1)
  redis.call('XCLAIM', hooks, SENDERS, ARGV[6], 0, ARGV[3], 'IDLE', ARGV[7] + 1, 'JUSTID')
  redis.call('PUBLISH', key('hooks'), '')
end
return 1
