-- ARGV: 3 node, 4 how many listen there, 5 for how long that counts, in ms.
if ARGV[4] == '0' then
    redis.call('HDEL', KEYS[3], ARGV[3])
else
    redis.call('HSET', KEYS[3], ARGV[3], ARGV[4] .. ':' .. digits(now() + tonumber(ARGV[5])))
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
return 1
