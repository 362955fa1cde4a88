-- Leases a job: one whose worker is lost, or else the next one that waits.
-- ARGV prefix worker lease take_over(0|1) look(0|1); `look`: whether a life that was not renewed means that nobody waits.
-- {0, n}: there is none, apart from n that only a newer version understands; {1, id, lost(0|1), fields of the job}; {-1, id}: the job of a ticket is gone;
-- {-1, ''}: tickets had no unfinished job.
local worker, lease = ARGV[2], tonumber(ARGV[3])
local tickets = key('tickets')

local function give(id, priority, entry, lost)
  local job = job_key(id)
  if not is(job, 'hash') then
    drop_ticket(priority, entry)
    redis.call('DEL', events_key(id), key('life:' .. id))
    return {-1, id}
  end
  if is_ended(redis.call('HGET', job, 'status')) then
    drop_ticket(priority, entry)
    return {-1, ''}
  end
  if count_in(redis.call('HGET', job, 'fence')) == 0 and redis.call('HGET', job, 'fence') ~= '0' then
    -- Larger than any that a worker has.
    redis.call('HSET', job, 'fence', string.format('%.0f', now_milliseconds()))
  end
  redis.call('HINCRBY', job, 'fence', 1)
  redis.call('HSET', job, 'place', 'leased', 'worker', worker, 'entry', entry)
  local is_awaited = redis.call('HGET', job, 'lifeline') == '1'
  if ARGV[5] == '1' and is_awaited and redis.call('EXISTS', key('life:' .. id)) == 0 then
    redis.call('HSET', job, 'cancel', '1')
  end
  return {1, id, lost, redis.call('HGETALL', job)}
end

-- A job that waits although the lists do not have it gets its own ticket.
local function waiting_holder(id)
  return id and is_waiting(id) and not is_newer(job_key(id)) and id
end

if ARGV[4] == '1' then
  for _, priority in ipairs(PRIORITIES) do
    local queue = queue_key(priority)
    for _, found in ipairs(redis.call('XPENDING', queue, GROUP, 'IDLE', lease, '-', '+', 100)) do
      local entry = found[1]
      local id = redis.call('HGET', tickets, priority .. '/' .. entry)
      if not id then
        drop_ticket(priority, entry)
      elseif not is_newer(job_key(id)) then
        redis.call('XCLAIM', queue, GROUP, worker, 0, entry, 'JUSTID')
        return give(id, priority, entry, 1)
      end
    end
  end
end

-- The next job in turn that this version understands, and how many before it only a newer one does. They stay in their places.
local function next_understood(priority)
  local newer, id = {}, next_waiting(priority)
  while id and is_newer(job_key(id)) do
    newer[#newer + 1] = id
    id = #newer <= 100 and next_waiting(priority)
  end
  for i = #newer, 1, -1 do
    wait_at_front(priority, redis.call('HGET', job_key(newer[i]), 'caller') or '', newer[i])
  end
  return id, #newer
end

local dropped, left = 0, 0
for _, priority in ipairs(PRIORITIES) do
  local queue = queue_key(priority)
  for _ = 1, 100 do
    local read = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', 1, 'STREAMS', queue, '>')
    if not read then
      break
    end
    local entry = read[1][2][1][1]
    local holder = redis.call('HGET', tickets, priority .. '/' .. entry)
    -- The job whose turn it is gets this ticket.
    local id, newer = next_understood(priority)
    id = id or waiting_holder(holder)
    if not id and newer > 0 then
      left = left + newer
      drop_ticket(priority, entry)
      if holder and is_waiting(holder) then
        redis.call('HSET', job_key(holder), 'entry', new_ticket(priority, holder))
      end
      break
    end
    if id then
      give_ticket(priority, entry, id)
      return give(id, priority, entry, 0)
    end
    drop_ticket(priority, entry)
    dropped = dropped + 1
  end
end
if dropped >= 100 then
  return {-1, ''}
end
return {0, left}
