-- ARGV: 3 epoch and 4 offset to read behind, 5 how many at most, 6 and 7 the oldest that history and
-- live window allow, in ms. Gives epoch, head, the epochs before, the last offset looked at, and for each
-- publication its offset, its age in ms, and its data.
local ep, he, _, be = open()
local after = '-'
if ARGV[3] == ep then
    after = ARGV[4]
else
    local least = nil
    for epoch, til in string.gmatch(be, '(%x+):(%d+)') do
        least = math.min(least or tonumber(til), tonumber(til))
        if epoch == ARGV[3] then
            -- Of what was lost nothing follows: all that is kept may be new there.
            if tonumber(ARGV[4]) <= least then
                after = ARGV[4]
            end
            break
        end
    end
end
if after ~= '-' then
    after = '(' .. after .. '-18446744073709551615'
end
local time = now()
local longest = math.max(tonumber(ARGV[6]), tonumber(ARGV[7]))
local kept, last = {}, ''
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], after, '+', 'COUNT', ARGV[5])) do
    local age = math.max(0, time - tonumber(entry[2][2]))
    last = string.match(entry[1], '%d+')
    if age < longest then
        kept[#kept + 1] = last
        kept[#kept + 1] = digits(age)
        kept[#kept + 1] = entry[2][6]
    end
end
return { ep, digits(he), be, last, kept }
