-- Makes the streams and their groups, and removes what somebody has put in the place of a key.
-- It uses each kind of command, key and channel, so it fails if the user of this process lacks a right.
-- ARGV prefix
-- The layout of the keys; the rest is done only if it is that of this version.
local layout = key('layout')
expect(layout, 'string')
local known = count_in(redis.call('GET', layout))
if known > LAYOUT then
  return known
end
if known < LAYOUT then
  redis.call('SET', layout, LAYOUT)
end
local function group(stream, name)
  expect(stream, 'stream')
  local made = redis.pcall('XGROUP', 'CREATE', stream, name, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
    return made
  end
end
expect(key('tickets'), 'hash')
expect(key('recent'), 'zset')
expect(key('dead'), 'zset')
expect(key('dead_jobs'), 'hash')
expect(key('ended'), 'zset')
for _, priority in ipairs(PRIORITIES) do
  expect(key('turn:' .. priority), 'list')
  local failed = group(queue_key(priority), GROUP)
  if failed then
    return failed
  end
end
redis.call('PUBLISH', key('changed:'), '')
return group(key('hooks'), SENDERS) or LAYOUT
