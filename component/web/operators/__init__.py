"""The operators' pages: archives, orders about them, accounts, and the audit log, as HTML."""
