"""Small tables, a file each: accounts, rosters, rooms, rules, holds, sign-ins, push and others."""
