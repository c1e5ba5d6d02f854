-- Somebody is no user of the account any more: they wait for no seat, and nothing that they asked colleagues keeps their name.
-- KEYS of the account    ARGV user
waits_no_more(ARGV[1])
return happened
