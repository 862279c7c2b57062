-- Gives the position of the newest publication.
local ep, he = open()
return ep .. ':' .. digits(he)
