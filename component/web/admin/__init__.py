"""The administration API: archives, rules, accounts, commands, exports, the audit log."""
