-- ARGV: 3 data, 4 PUBLISH or SPUBLISH, 5 where to announce, 6 publications and 7 age of the history,
-- 8 bytes and 9 age of the live window, 10 how long a key is remembered. Ages in ms.
-- Gives the position.
if KEYS[3] then
    local first = redis.call('GET', KEYS[3])
    if first then
        return first
    end
end
local ep, he, we = open()
local offset = digits(he + 1)
local time = now()
redis.call('XADD', KEYS[2], offset .. '-0', 't', digits(time), 'w', digits(we), 'd', ARGV[3])
we = we + 64 + #ARGV[3] - 1
redis.call('HSET', KEYS[1], 'he', offset, 'we', digits(we))

-- As a log does it: what is outside both history and live window leaves, the oldest first.
local count = redis.call('XLEN', KEYS[2])
for _ = 1, 64 do
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
    local age = time - tonumber(oldest[2][2])
    local is_history = count <= tonumber(ARGV[6]) and age < tonumber(ARGV[7])
    local bytes = we - tonumber(oldest[2][4])
    local is_live = (count == 1 or bytes <= tonumber(ARGV[8])) and age < tonumber(ARGV[9])
    if is_history or is_live then
        break
    end
    redis.call('XDEL', KEYS[2], oldest[1])
    count = count - 1
    if count == 0 then
        break
    end
end
redis.call('PEXPIRE', KEYS[2], math.max(tonumber(ARGV[7]), tonumber(ARGV[9]), 1))

local position = ep .. ':' .. offset
if KEYS[3] then
    redis.call('SET', KEYS[3], position, 'PX', ARGV[10])
end
redis.call(ARGV[4], ARGV[5], position .. ':' .. ARGV[3])
return position
