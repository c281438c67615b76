"""Commands of ejabberd's own, which run on the real server, whatever its release."""
