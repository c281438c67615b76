"""The operators' pages: archives, orders about them, and the audit log, as HTML."""
