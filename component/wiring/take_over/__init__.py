"""Take-over: a new process continues the stream and the store of the running one."""
