-- Takes ARGV[1] from every rule, or from none. A rule is a key, and three arguments: what it counts in, how much of
-- it, and a rate's burst. Answers three whole numbers for each: milliseconds until the call could pass (0: it may),
-- what is left, and milliseconds until all is there again. Time is the server's.

local PERIODS = { second = 1000000, minute = 60000000, hour = 3600000000 }
local DAY = 86400

-- The first day, since 1970, of a month, since January 1970.
local function first_day(month)
  local shifted = month % 12 + 10
  local year = 1970 + math.floor(month / 12) + (shifted >= 12 and 0 or -1)
  local of_year = math.floor((153 * (shifted % 12) + 2) / 5)
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400) + of_year - 719468
end

local function month_of(day)
  local month = math.floor(day / 30.436875)
  while first_day(month + 1) <= day do month = month + 1 end
  while first_day(month) > day do month = month - 1 end
  return month
end

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000000 + tonumber(time[2])
local cost = tonumber(ARGV[1])

local function rate(key, period, limit, burst)
  local state = redis.call('HMGET', key, 'used', 'at')
  local used = math.max((tonumber(state[1]) or 0) - math.max(now - (tonumber(state[2]) or now), 0) * limit / period, 0)
  local micros = period / limit
  if used + cost > burst then
    local wait = cost <= burst and used + cost - burst or used
    return math.max(math.ceil(wait * micros / 1000), 1), math.floor(burst - used), math.ceil(used * micros / 1000)
  end
  used = used + cost
  local whole = math.ceil(used * micros / 1000)
  return 0, math.floor(burst - used), whole, { 'used', string.format('%.17g', used), 'at', string.format('%.0f', now) }, whole
end

local function quota(key, period, limit)
  local day = math.floor(seconds / DAY)
  local window = period == 'day' and day or month_of(day)
  local ends = (period == 'day' and day + 1 or first_day(window + 1)) * DAY
  local state = redis.call('HMGET', key, 'used', 'window')
  local used = 0
  if (tonumber(state[2]) or window - 1) >= window then
    window, used = tonumber(state[2]), tonumber(state[1]) or 0
  end
  local left = math.ceil((ends * 1000000 - now) / 1000)
  if used + cost > limit then
    return left, math.max(limit - used, 0), left
  end
  used = used + cost
  return 0, limit - used, left, { 'used', string.format('%.0f', used), 'window', string.format('%.0f', window) }, left
end

local answer, writes, passes = {}, {}, true
for index, key in ipairs(KEYS) do
  local period, limit, burst = ARGV[3 * index - 1], tonumber(ARGV[3 * index]), tonumber(ARGV[3 * index + 1])
  local wait, left, whole, state, lasts
  if PERIODS[period] then
    wait, left, whole, state, lasts = rate(key, PERIODS[period], limit, burst)
  else
    wait, left, whole, state, lasts = quota(key, period, limit)
  end
  passes = passes and wait == 0
  table.insert(answer, wait)
  table.insert(answer, left)
  table.insert(answer, whole)
  writes[index] = { state, lasts }
end

if passes then
  for index, key in ipairs(KEYS) do
    local state, lasts = unpack(writes[index])
    redis.call('HSET', key, unpack(state))
    -- A state that says nothing any more goes by itself; ten years are as good as for ever.
    redis.call('PEXPIRE', key, string.format('%.0f', math.min(lasts + 1000, 315360000000)))
  end
end
return answer
