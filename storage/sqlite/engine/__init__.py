"""The database itself: connections, transactions, turns of readers, migrations."""
