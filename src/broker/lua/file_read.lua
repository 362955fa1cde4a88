-- A file that a client has sent.
-- ARGV prefix id with_content
-- {description, content}; nothing if there is none, and no content unless it is asked for.
local file = key('file:' .. ARGV[2])
if not is(file, 'hash') then
  return {}
end
if ARGV[3] == '1' then
  return redis.call('HMGET', file, 'description', 'content')
end
return redis.call('HMGET', file, 'description')
