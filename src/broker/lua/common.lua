-- The first lines of every script, after the numbers FORMAT and LAYOUT. ARGV[1] is the prefix of all keys.
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

-- The number in a field that counts something; 0 if somebody has put something else there.
local function count_in(text)
  return text and #text < 16 and string.match(text, '^%d+$') and tonumber(text) or 0
end

-- Whether only processes of a newer version understand the job.
local function is_newer(job)
  return is(job, 'hash') and count_in(redis.call('HGET', job, 'format')) > FORMAT
end

-- Whether a text is the id of an entry of a stream.
local function is_entry(text)
  return type(text) == 'string' and #text < 40 and string.match(text, '^%d+%-%d+$') ~= nil
end

local function is_ended(status)
  return status == 'succeeded' or status == 'failed' or status == 'canceled'
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

-- The priority of a job, or the default one if somebody has removed or changed it.
local function priority_in(text)
  return (text == 'high' or text == 'low') and text or 'normal'
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

-- The keys of the job, and of its events, whose webhooks have that entry: a later job may have got its id.
local function hooked_job(id, entry)
  local job = job_key(id)
  if is(job, 'hash') and redis.call('HGET', job, 'hook') == entry then
    return job, events_key(id)
  end
  local replaced = key('replaced:' .. entry)
  if is(replaced, 'hash') and redis.call('HGET', replaced, 'hook') == entry then
    return replaced, key('replaced_ev:' .. entry)
  end
end

-- The same if the lease of its webhooks still has that number.
local function leased_hooks(id, entry, fence)
  local job, events = hooked_job(id, entry)
  if job and redis.call('HGET', job, 'hook_fence') == fence then
    return job, events
  end
end

-- Adds an event with a number. Returns the error if the broker refuses it.
local function add_event(events, number, kind, data)
  local added = redis.pcall('XADD', events, string.format('%d-0', number), 'k', kind, 'd', data)
  return type(added) == 'table' and added.err and added or nil
end

-- Adds an event under the next number. The number counts only once the event is there.
local function append(id, kind, data)
  local job = job_key(id)
  local number = count_in(redis.call('HGET', job, 'events')) + 1
  local failed = add_event(events_key(id), number, kind, data)
  if not failed then
    redis.call('HSET', job, 'events', number)
  end
  return failed
end

-- Adds the events that end a job, which are the arguments from that index on. Whatever somebody has put among the events
-- before, the job has to end.
local function append_end(id, first)
  local job, events = job_key(id), events_key(id)
  expect(events, 'stream')
  local number = count_in(redis.call('HGET', job, 'events'))
  for i = first, #ARGV, 2 do
    number = number + 1
    local failed = add_event(events, number, ARGV[i], ARGV[i + 1])
    if failed and string.find(failed.err, 'ID', 1, true) then
      redis.call('DEL', events)
      failed = add_event(events, number, ARGV[i], ARGV[i + 1])
    end
    if failed then
      return failed
    end
  end
  redis.call('HSET', job, 'events', number)
end

-- Puts right what a script that ends a job would fail at, because a script is not rolled back.
local function expect_all(priority)
  expect(key('tickets'), 'hash')
  expect(queue_key(priority), 'stream')
  expect(key('turn:' .. priority), 'list')
  expect(key('recent'), 'zset')
  expect(key('dead'), 'zset')
  expect(key('dead_jobs'), 'hash')
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

-- Drops a ticket unless another job has it.
local function drop_ticket_of(id, priority, entry)
  if is_entry(entry) then
    local holder = redis.call('HGET', key('tickets'), priority .. '/' .. entry)
    if not holder or holder == id then
      drop_ticket(priority, entry)
    end
  end
end

-- Gives a ticket to a job. The ticket that the job had goes to the job that had this one. If nobody knows which job that is,
-- the other ticket stays in the queue for it.
local function give_ticket(priority, entry, id)
  local tickets, job = key('tickets'), job_key(id)
  local place = priority .. '/' .. entry
  local holder = redis.call('HGET', tickets, place)
  local own = redis.call('HGET', job, 'entry')
  redis.call('HSET', job, 'entry', entry)
  if holder == id then
    return
  end
  redis.call('HSET', tickets, place, id)
  if not is_entry(own) or own == entry then
    return
  end
  redis.call('HDEL', tickets, priority .. '/' .. own)
  if holder and is(job_key(holder), 'hash') then
    redis.call('HSET', tickets, priority .. '/' .. own, holder)
    redis.call('HSET', job_key(holder), 'entry', own)
  end
end

-- Renews the lease of a ticket. If somebody has removed it from the queue, the job gets another one.
local function hold_ticket(id, priority, entry, worker)
  local queue = queue_key(priority)
  if is_entry(entry) and #redis.call('XCLAIM', queue, GROUP, worker, 0, entry, 'JUSTID') > 0 then
    return
  end
  drop_ticket_of(id, priority, entry)
  redis.call('HSET', job_key(id), 'entry', new_ticket(priority, id))
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', 1, 'STREAMS', queue, '>')
  if read then
    give_ticket(priority, read[1][2][1][1], id)
  end
end

-- Callers with waiting jobs take turns: `turn:<priority>` lists them, `wait:<priority>:<caller>` lists their jobs.
local function wait_at_end(priority, caller, id)
  local waiting = key('wait:' .. priority .. ':' .. caller)
  expect(waiting, 'list')
  if redis.call('RPUSH', waiting, id) == 1 then
    redis.call('RPUSH', key('turn:' .. priority), caller)
  end
end

local function wait_at_front(priority, caller, id)
  local turn = key('turn:' .. priority)
  local waiting = key('wait:' .. priority .. ':' .. caller)
  expect(waiting, 'list')
  redis.call('LPUSH', waiting, id)
  redis.call('LREM', turn, 0, caller)
  redis.call('LPUSH', turn, caller)
end

local function wait_no_more(priority, caller, id)
  local waiting = key('wait:' .. priority .. ':' .. caller)
  expect(waiting, 'list')
  redis.call('LREM', waiting, 1, id)
  if redis.call('LLEN', waiting) == 0 then
    redis.call('LREM', key('turn:' .. priority), 0, caller)
  end
end

local function is_waiting(id)
  if not is(job_key(id), 'hash') then
    return false
  end
  local fields = redis.call('HMGET', job_key(id), 'place', 'status')
  return fields[1] == 'waiting' and not is_ended(fields[2])
end

-- The next job in turn. Lists that somebody has filled with something else are emptied step by step.
local function next_waiting(priority)
  local turn = key('turn:' .. priority)
  for _ = 1, 1000 do
    local caller = redis.call('LPOP', turn)
    if not caller then
      return nil
    end
    local waiting = key('wait:' .. priority .. ':' .. caller)
    expect(waiting, 'list')
    local id = redis.call('LPOP', waiting)
    if redis.call('LLEN', waiting) > 0 then
      redis.call('RPUSH', turn, caller)
    end
    if id and is_waiting(id) then
      return id
    end
  end
end

-- Finished jobs that may be deleted are in `ended`, each as its size, its time and its id, by the time until which it is
-- kept; `ended_bytes` is the size of all. A job without webhooks that are still to be delivered gets into it.
local function add_ended(id)
  local job, events = job_key(id), events_key(id)
  local fields = redis.call('HMGET', job, 'member', 'kept_until')
  local until_time = count_in(fields[2])
  redis.call('PEXPIREAT', job, until_time)
  redis.call('PEXPIREAT', events, until_time)
  if redis.call('EXISTS', job) == 0 then
    return
  end
  local size = (redis.call('MEMORY', 'USAGE', job, 'SAMPLES', 0) or 0)
    + (redis.call('MEMORY', 'USAGE', events, 'SAMPLES', 0) or 0)
  local member = string.format('%d %s', size, fields[1] or '')
  expect(key('ended'), 'zset')
  expect(key('ended_bytes'), 'string')
  if redis.call('ZADD', key('ended'), until_time, member) == 1 then
    redis.call('HSET', job, 'ended', member)
    redis.pcall('INCRBY', key('ended_bytes'), size)
  end
end

local function remove_ended(member)
  expect(key('ended'), 'zset')
  expect(key('ended_bytes'), 'string')
  if redis.call('ZREM', key('ended'), member) == 1 then
    redis.pcall('DECRBY', key('ended_bytes'), string.match(member, '^%d+') or 0)
  end
end

-- The size of all finished jobs. It is counted again if somebody has changed the sum.
local function size_of_ended()
  local known = redis.call('GET', key('ended_bytes'))
  if known and string.match(known, '^%d+$') then
    return tonumber(known)
  end
  local size = 0
  for _, member in ipairs(redis.call('ZRANGE', key('ended'), 0, -1)) do
    size = size + (tonumber(string.match(member, '^%d+')) or 0)
  end
  redis.call('SET', key('ended_bytes'), string.format('%.0f', size))
  return size
end

-- Deletes finished jobs beyond the limits, the oldest first, but none that has just ended: its followers read its last events.
-- The arguments from that index on: for how many milliseconds a job is kept, how many, how many bytes, and the milliseconds in
-- which a job has just ended.
local function limit_ended(index)
  local kept_for, max_jobs = tonumber(ARGV[index]), tonumber(ARGV[index + 1])
  local max_bytes, just_now = tonumber(ARGV[index + 2]), tonumber(ARGV[index + 3])
  local ended = key('ended')
  local now = now_milliseconds()
  for _ = 1, 100 do
    local oldest = redis.call('ZRANGE', ended, 0, 0, 'WITHSCORES')
    if not oldest[1] then
      redis.call('DEL', key('ended_bytes'))
      return
    end
    local until_time = tonumber(oldest[2])
    local is_over = (max_jobs > 0 and redis.call('ZCARD', ended) > max_jobs)
      or (max_bytes > 0 and size_of_ended() > max_bytes)
    if until_time > now and (not is_over or until_time > now + kept_for - just_now) then
      return
    end
    remove_ended(oldest[1])
    local member, id = string.match(oldest[1], '^%d+ (%d+%-(.*))$')
    if id and is(job_key(id), 'hash') and redis.call('HGET', job_key(id), 'ended') == oldest[1] then
      redis.call('DEL', job_key(id), events_key(id))
      redis.call('ZREM', key('recent'), member)
    end
  end
end

-- A job has ended: it is kept for a time, and until its last webhook is delivered. The arguments from that index on are those
-- of `limit_ended`.
local function keep(id, index)
  local job = job_key(id)
  redis.call('HSET', job, 'kept_until', string.format('%.0f', now_milliseconds() + ARGV[index]))
  redis.call('DEL', key('life:' .. id))
  if redis.call('HEXISTS', job, 'hook') == 0 then
    add_ended(id)
    limit_ended(index)
  end
end
