-- The secret of all servers of this broker; it is kept at the first call.
-- ARGV prefix new
local secret = key('secret')
expect(secret, 'string')
redis.call('SET', secret, ARGV[2], 'NX')
return redis.call('GET', secret)
