-- Jobs with their events except files, the newest first.
-- ARGV prefix before count statuses; `before` is a border of ZREVRANGEBYLEX, the statuses are separated by spaces.
-- {member, fields, events}...; without fields for a job that has another status, or is gone or damaged. The last row is that
-- of the last job that was looked at.
local found = redis.call('ZREVRANGEBYLEX', key('recent'), ARGV[2], '-', 'LIMIT', 0, 500)
local statuses = ' ' .. ARGV[4] .. ' '
local jobs, count, passed = {}, 0, nil
for _, member in ipairs(found) do
  local id = string.match(member, '^%d+-(.*)$') or ''
  local job, events = job_key(id), events_key(id)
  local known = is(job, 'hash') and redis.call('HMGET', job, 'member', 'status') or {}
  passed = member
  if known[1] ~= member then
    redis.call('ZREM', key('recent'), member)
  elseif string.find(statuses, ' ' .. (known[2] or '') .. ' ', 1, true)
    and (is(events, 'stream') or (is(events, 'none') and not is_ended(known[2]))) then
    local shown = {}
    for _, event in ipairs(redis.call('XRANGE', events, '-', '+')) do
      if event[2][2] ~= 'output' then
        shown[#shown + 1] = event
      end
    end
    jobs[#jobs + 1] = {member, redis.call('HGETALL', job), shown}
    passed = nil
    count = count + 1
    if count == tonumber(ARGV[3]) then
      break
    end
  end
end
if passed then
  jobs[#jobs + 1] = {passed}
end
return jobs
