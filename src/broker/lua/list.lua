-- Jobs with their events except files, the newest first.
-- ARGV prefix before count; `before` is a border of ZREVRANGEBYLEX.
-- {member, fields, events}...; without fields for a job that is gone or damaged.
local found = redis.call('ZREVRANGEBYLEX', key('recent'), ARGV[2], '-', 'LIMIT', 0, ARGV[3])
local jobs = {}
for _, member in ipairs(found) do
  local id = string.match(member, '^%d+-(.*)$') or ''
  local job = job_key(id)
  local known = is(job, 'hash') and redis.call('HGET', job, 'member') == member
  if not known then
    redis.call('ZREM', key('recent'), member)
    jobs[#jobs + 1] = {member}
  elseif not (is(events_key(id), 'stream') or is(events_key(id), 'none')) then
    jobs[#jobs + 1] = {member}
  else
    local events = {}
    for _, event in ipairs(redis.call('XRANGE', events_key(id), '-', '+')) do
      if event[2][2] ~= 'output' then
        events[#events + 1] = event
      end
    end
    jobs[#jobs + 1] = {member, redis.call('HGETALL', job), events}
  end
end
return jobs
