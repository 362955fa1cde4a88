-- Finds unfinished jobs that stand in no queue, and webhooks that nobody would send, because somebody has removed something,
-- and queues them again. It looks at some keys at each call.
-- ARGV prefix cursor count lease
-- {next cursor, ids that were queued again...}
local pattern = string.gsub(key('job:'), '[%*%?%[%]%^\\]', '\\%0') .. '*'
local found = redis.call('SCAN', ARGV[2], 'MATCH', pattern, 'COUNT', ARGV[3], 'TYPE', 'hash')
local queued = {found[1]}
local LAST_ID = '18446744073709551615-18446744073709551615'
local now = now_milliseconds()

local function numbers(entry)
  local time, number = string.match(entry, '^(%d+)%-(%d+)$')
  return tonumber(time), tonumber(number)
end

-- The last entry of a stream that a consumer of the group has got.
local delivered = {}
local function is_delivered(stream, group, entry)
  if not delivered[stream] then
    delivered[stream] = '0-0'
    for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      local fields = {}
      for i = 1, #info, 2 do
        fields[info[i]] = info[i + 1]
      end
      if fields['name'] == group then
        delivered[stream] = fields['last-delivered-id']
      end
    end
  end
  local time, number = numbers(entry)
  local last_time, last_number = numbers(delivered[stream])
  return time < last_time or (time == last_time and number <= last_number)
end

-- A group that has got more than there was would get nothing new, and a stream whose ids are used up takes nothing.
local function mend(stream, group)
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      if info[i + 1] == LAST_ID then
        redis.call('DEL', stream)
        redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
      elseif is_delivered(stream, group, info[i + 1]) and delivered[stream] ~= info[i + 1] then
        redis.call('XGROUP', 'SETID', stream, group, '0')
      end
    end
  end
  delivered[stream] = nil
end

local function is_pending(stream, group, entry)
  return #redis.call('XPENDING', stream, group, entry, entry, 1) > 0
end

-- Whether an entry is there, and a consumer has it or will get it.
local function stands(stream, group, entry)
  return is_entry(entry) and #redis.call('XRANGE', stream, entry, entry) > 0
    and (not is_delivered(stream, group, entry) or is_pending(stream, group, entry))
end

local function queue_again(id, job, priority, entry)
  drop_ticket_of(id, priority, entry)
  redis.call('HSET', job, 'place', 'waiting', 'entry', new_ticket(priority, id))
  redis.call('HDEL', job, 'unqueued')
  wake_worker()
  queued[#queued + 1] = id
end

local function check_ticket(id, job, fields)
  local priority, entry = priority_in(fields[3]), fields[4]
  local queue = queue_key(priority)
  if fields[2] ~= 'leased' then
    local is_there = stands(queue, GROUP, entry)
    local holder = is_there and redis.call('HGET', key('tickets'), priority .. '/' .. entry)
    if is_there and not holder then
      redis.call('HSET', key('tickets'), priority .. '/' .. entry, id)
    elseif not is_there or holder ~= id then
      queue_again(id, job, priority, entry)
    end
  elseif stands(queue, GROUP, entry) then
    if fields[5] then
      redis.call('HDEL', job, 'unqueued')
    end
  elseif not fields[5] then
    -- Its worker gets another ticket when it renews the lease.
    redis.call('HSET', job, 'unqueued', string.format('%.0f', now))
  elseif now - count_in(fields[5]) > tonumber(ARGV[4]) then
    redis.pcall('HINCRBY', job, 'fence', 1)
    queue_again(id, job, priority, entry)
    wait_at_front(priority, fields[6] or '', id)
  end
end

for _, priority in ipairs(PRIORITIES) do
  mend(queue_key(priority), GROUP)
end
mend(key('hooks'), SENDERS)
for _, job in ipairs(found[2]) do
  local id = string.sub(job, #key('job:') + 1)
  local fields = redis.call('HMGET', job, 'status', 'place', 'priority', 'entry', 'unqueued', 'caller', 'id', 'member', 'hook')
  if fields[7] == id then
    if fields[8] then
      redis.call('ZADD', key('recent'), 0, fields[8])
    end
    if fields[1] == 'starting' or fields[1] == 'processing' then
      check_ticket(id, job, fields)
    end
    if fields[9] and not stands(key('hooks'), SENDERS, fields[9]) then
      local hook = redis.call('XADD', key('hooks'), '*', 'id', id)
      redis.call('HSET', job, 'hook', hook)
      redis.call('PUBLISH', key('hooks'), '')
      queued[#queued + 1] = id
    end
  end
end
return queued
