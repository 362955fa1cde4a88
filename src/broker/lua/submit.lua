-- Accepts a job: keeps it, lets it wait, and queues its webhooks, in one step.
-- ARGV prefix id created job priority caller limit lifeline life receiver trace
-- 1: accepted; 0: unfinished already; -1: there is no room.
local id, created, priority, caller = ARGV[2], ARGV[3], ARGV[5], ARGV[6]
local job = job_key(id)
expect(job, 'hash')
local known = redis.call('HMGET', job, 'status', 'created', 'member', 'hook', 'ended')
if known[1] and known[2] == created then
  -- The answer to the same request was lost.
  return 1
end
if known[1] == 'starting' or known[1] == 'processing' then
  return 0
end
-- What could fail below is put right before anything is written.
expect(key('tickets'), 'hash')
expect(key('turn:' .. priority), 'list')
expect(key('wait:' .. priority .. ':' .. caller), 'list')
expect(key('recent'), 'zset')
expect(key('hooks'), 'stream')
local queue = queue_key(priority)
local limit = tonumber(ARGV[7])
if limit > 0 and redis.call('XLEN', queue) >= limit then
  return -1
end
-- A broker without memory refuses a script only at its first change, and only if that needs memory. So this is the first one.
local entry = new_ticket(priority, id)
if known[3] then
  redis.call('ZREM', key('recent'), known[3])
end
if known[5] then
  remove_ended(known[5])
end
if is_ended(known[1]) and known[4] then
  -- The last webhook of the job before is still to be delivered.
  local replaced, replaced_events = key('replaced:' .. known[4]), key('replaced_ev:' .. known[4])
  redis.call('RENAME', job, replaced)
  redis.call('PEXPIRE', replaced, 86400000)
  if redis.call('EXISTS', events_key(id)) == 1 then
    redis.call('RENAME', events_key(id), replaced_events)
    redis.call('PEXPIRE', replaced_events, 86400000)
  end
end
redis.call('DEL', job, events_key(id), key('life:' .. id))
local member = created .. '-' .. id
redis.call('HSET', job, 'id', id, 'format', FORMAT, 'status', 'starting', 'place', 'waiting', 'created', created,
  'job', ARGV[4], 'priority', priority, 'caller', caller, 'entry', entry, 'member', member,
  'fence', 0, 'attempts', 0, 'drawn', 0, 'events', 0, 'lifeline', ARGV[8], 'trace', ARGV[11])
wait_at_end(priority, caller, id)
redis.call('ZADD', key('recent'), 0, member)
if ARGV[8] == '1' then
  redis.call('SET', key('life:' .. id), '1', 'PX', ARGV[9])
end
if ARGV[10] ~= '' then
  local hook = redis.call('XADD', key('hooks'), '*', 'id', id)
  redis.call('HSET', job, 'receiver', ARGV[10], 'hook', hook, 'hook_fence', 0)
  redis.call('PUBLISH', key('hooks'), '')
end
wake_worker()
return 1
