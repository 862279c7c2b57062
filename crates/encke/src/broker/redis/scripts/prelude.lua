-- KEYS: 1 what is known of the channel, 2 its publications by offset, 3 the listeners of each node or
-- an idempotency key. ARGV[1]: the epoch to begin, if one must. ARGV[2]: how long heads are kept, in ms.

-- Two letters each, since every channel has one: epoch, offset of the head, the life of the engine in
-- which the epoch began, weight of all that was ever appended, the epochs before.
local function open()
    -- Changes whenever a server starts, and when a replica is made master: the newest publications may
    -- be gone then, although the channel is there, and their offsets must not be used again.
    local life = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
    local ep, he, li, we, be = unpack(redis.call('HMGET', KEYS[1], 'ep', 'he', 'li', 'we', 'be'))
    if not ep then
        ep, he, we, be = ARGV[1], '0', '0', ''
        redis.call('DEL', KEYS[2])
        redis.call('HSET', KEYS[1], 'ep', ep, 'he', he, 'li', life, 'we', we, 'be', be)
    elseif li ~= life then
        local before = ep .. ':' .. he
        local kept = 1
        for branch in string.gmatch(be, '[^,]+') do
            if kept < 8 then
                before = before .. ',' .. branch
                kept = kept + 1
            end
        end
        ep, be = ARGV[1], before
        redis.call('HSET', KEYS[1], 'ep', ep, 'li', life, 'be', be)
    end
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return ep, tonumber(he), tonumber(we), be
end

local function digits(number)
    return string.format('%.0f', number)
end

local function now()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

