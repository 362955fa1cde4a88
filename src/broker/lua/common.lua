-- The first lines of every script. ARGV[1] is the prefix of all keys.
local prefix = ARGV[1]
local GROUP = 'workers'
local SENDERS = 'senders'
local PRIORITIES = {'high', 'normal', 'low'}

local function key(name)
  return prefix .. name
end

local function now_milliseconds()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

local function is(name, kind)
  return redis.call('TYPE', name)['ok'] == kind
end

-- Removes what somebody has put in the place of a key of another type.
local function expect(name, kind)
  local found = redis.call('TYPE', name)['ok']
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', name)
  end
end

local function job_key(id)
  return key('job:' .. id)
end

local function events_key(id)
  return key('ev:' .. id)
end

local function queue_key(priority)
  return key('q:' .. priority)
end

-- Whether the lease with that number is still the one of the job.
local function is_leased(job, fence)
  if not is(job, 'hash') then
    return false
  end
  local found = redis.call('HMGET', job, 'fence', 'place')
  return found[1] == fence and found[2] == 'leased'
end

-- Whether the job is the one that was created then, and not a later one with its id.
local function is_created(job, created)
  return is(job, 'hash') and redis.call('HGET', job, 'created') == created
end

-- Whether the lease of the webhooks with that entry and number is still the one of the job.
local function are_hooks_leased(job, entry, fence)
  if not is(job, 'hash') then
    return false
  end
  local found = redis.call('HMGET', job, 'hook', 'hook_fence')
  return found[1] == entry and found[2] == fence
end

-- Adds an event under the next number. The number counts only once the event is there.
local function append(id, kind, data)
  local job = job_key(id)
  local number = (tonumber(redis.call('HGET', job, 'events')) or 0) + 1
  redis.call('XADD', events_key(id), string.format('%d-0', number), 'k', kind, 'd', data)
  redis.call('HSET', job, 'events', number)
  return number
end

-- Tells all followers of a job that it has changed.
local function notify(id)
  redis.call('PUBLISH', key('changed:' .. id), '')
end

local function wake_worker()
  local wake = key('wake')
  expect(wake, 'list')
  redis.call('LPUSH', wake, '1')
  redis.call('LTRIM', wake, 0, 255)
end

-- An entry of a queue is a ticket for one drawing. `tickets` says which job has it.
local function new_ticket(priority, id)
  local entry = redis.call('XADD', queue_key(priority), '*', 'id', id)
  redis.call('HSET', key('tickets'), priority .. '/' .. entry, id)
  return entry
end

local function drop_ticket(priority, entry)
  local queue = queue_key(priority)
  redis.call('XACK', queue, GROUP, entry)
  redis.call('XDEL', queue, entry)
  redis.call('HDEL', key('tickets'), priority .. '/' .. entry)
end

-- Callers with waiting jobs take turns: `turn:<priority>` lists them, `wait:<priority>:<caller>` lists their jobs.
local function wait_at_end(priority, caller, id)
  local waiting = key('wait:' .. priority .. ':' .. caller)
  if redis.call('RPUSH', waiting, id) == 1 then
    redis.call('RPUSH', key('turn:' .. priority), caller)
  end
end

local function wait_at_front(priority, caller, id)
  local turn = key('turn:' .. priority)
  redis.call('LPUSH', key('wait:' .. priority .. ':' .. caller), id)
  redis.call('LREM', turn, 0, caller)
  redis.call('LPUSH', turn, caller)
end

local function wait_no_more(priority, caller, id)
  local waiting = key('wait:' .. priority .. ':' .. caller)
  redis.call('LREM', waiting, 1, id)
  if redis.call('LLEN', waiting) == 0 then
    redis.call('LREM', key('turn:' .. priority), 0, caller)
  end
end

local function next_waiting(priority)
  local turn = key('turn:' .. priority)
  while true do
    local caller = redis.call('LPOP', turn)
    if not caller then
      return nil
    end
    local waiting = key('wait:' .. priority .. ':' .. caller)
    local id = redis.call('LPOP', waiting)
    if redis.call('LLEN', waiting) > 0 then
      redis.call('RPUSH', turn, caller)
    end
    if id and is(job_key(id), 'hash') and redis.call('HGET', job_key(id), 'place') == 'waiting' then
      return id
    end
  end
end

-- A job has ended: it is kept for a time, longer if its last webhook is still to be delivered.
local function keep(id, milliseconds)
  local job = job_key(id)
  local time = tonumber(milliseconds)
  if redis.call('HEXISTS', job, 'hook') == 1 and time < 3600000 then
    time = 3600000
  end
  redis.call('PEXPIRE', job, time)
  redis.call('PEXPIRE', events_key(id), time)
  local until_time = now_milliseconds() + tonumber(milliseconds)
  redis.call('HSET', job, 'kept_until', string.format('%.0f', until_time))
  redis.call('DEL', key('life:' .. id))
end
