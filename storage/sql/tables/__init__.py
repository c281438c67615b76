"""Small tables, one file each: accounts, rosters, rooms, rules, holds, sign-ins and others."""
