"""The events API: polls, snapshots and streams of the events of a user's own account."""
