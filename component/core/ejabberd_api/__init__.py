"""The commands of ejabberd's HTTP API: their definitions, arguments, results and permissions."""
