"""Chat: users, rooms, conversations and read marks, as people see them over HTTP."""
