"""Importing: from records of other archives to messages, with verification and comparison."""
