-- How full the queues are: {unfinished, leased, age of the oldest in milliseconds, dead, model}. Jobs that are gone leave
-- the list of all jobs, a few at each call.
-- ARGV prefix
expect(key('dead'), 'zset')
expect(key('recent'), 'zset')
local total, leased, oldest = 0, 0, 0
local now = now_milliseconds()
for _, priority in ipairs(PRIORITIES) do
  local queue = queue_key(priority)
  expect(queue, 'stream')
  total = total + redis.call('XLEN', queue)
  local groups = redis.call('EXISTS', queue) == 1 and redis.call('XINFO', 'GROUPS', queue) or {}
  for _, group in ipairs(groups) do
    for i = 1, #group, 2 do
      if group[i] == 'pending' then
        leased = leased + group[i + 1]
      end
    end
  end
  local first = redis.call('XRANGE', queue, '-', '+', 'COUNT', 1)[1]
  if first then
    oldest = math.max(oldest, now - tonumber(string.match(first[1], '^%d+')))
  end
end
for _, member in ipairs(redis.call('ZRANGE', key('recent'), 0, 19)) do
  local id = string.match(member, '^%d+-(.*)$') or ''
  if redis.call('EXISTS', job_key(id)) == 0 then
    redis.call('ZREM', key('recent'), member)
  end
end
expect(key('model'), 'string')
return {total, leased, oldest, redis.call('ZCARD', key('dead')), redis.call('GET', key('model')) or ''}
