"""Client sessions of users: their state as a pure machine, their credentials, and sending."""
