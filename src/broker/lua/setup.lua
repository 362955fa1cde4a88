-- Makes the streams and their groups.
-- ARGV prefix
local function group(stream, name)
  local made = redis.pcall('XGROUP', 'CREATE', stream, name, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
    return made
  end
end
for _, priority in ipairs(PRIORITIES) do
  local failed = group(queue_key(priority), GROUP)
  if failed then
    return failed
  end
end
return group(key('hooks'), SENDERS) or 1
