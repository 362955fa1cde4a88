-- Removes consumers that have nothing and were not seen for an hour.
-- ARGV prefix
local groups = {
  {queue_key('high'), GROUP}, {queue_key('normal'), GROUP}, {queue_key('low'), GROUP},
  {key('hooks'), SENDERS},
}
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
