-- Renews the lease of webhooks, and records the name of the last message that was sent.
-- ARGV prefix id entry fence sender sent
-- 1: done; -1: somebody else sends them.
local job = leased_hooks(ARGV[2], ARGV[3], ARGV[4])
if not job then
  return -1
end
redis.call('XCLAIM', key('hooks'), SENDERS, ARGV[5], 0, ARGV[3], 'JUSTID')
if ARGV[6] ~= '' then
  redis.call('HSET', job, 'hook_sent', ARGV[6])
end
return 1
