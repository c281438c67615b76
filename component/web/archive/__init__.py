"""The archive API: archives, conversations and the live stream."""
