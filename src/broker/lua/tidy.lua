-- Removes consumers that have nothing and were not seen for an hour.
-- ARGV prefix
local groups = {{key('hooks'), SENDERS}}
for _, priority in ipairs(PRIORITIES) do
  groups[#groups + 1] = {queue_key(priority), GROUP}
end
for _, group in ipairs(groups) do
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', group[1], group[2])) do
    local fields = {}
    for i = 1, #consumer, 2 do
      fields[consumer[i]] = consumer[i + 1]
    end
    if fields['pending'] == 0 and fields['idle'] > 3600000 then
      redis.call('XGROUP', 'DELCONSUMER', group[1], group[2], fields['name'])
    end
  end
end
return 1
