-- The secret of all servers of this broker; it is kept at the first call. A value that is too short to be one is replaced.
-- ARGV prefix new
local secret = key('secret')
expect(secret, 'string')
if redis.call('STRLEN', secret) < 32 then
  redis.call('SET', secret, ARGV[2])
end
return redis.call('GET', secret)
