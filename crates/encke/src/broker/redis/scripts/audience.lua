-- Gives how many listen, and the position of the newest publication.
local ep, he = open()
local time = now()
local listeners = 0
local nodes = redis.call('HGETALL', KEYS[3])
for i = 1, #nodes, 2 do
    local count, til = string.match(nodes[i + 1], '(%d+):(%d+)')
    if til and tonumber(til) > time then
        listeners = listeners + tonumber(count)
    else
        redis.call('HDEL', KEYS[3], nodes[i])
    end
end
return { listeners, ep .. ':' .. digits(he) }
