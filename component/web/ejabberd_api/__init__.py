"""ejabberd's HTTP API: its commands, in the document's dialect and in those of ejabberd."""
