"""Commands that move archives: import, compare, copy-store, backup and verify."""
