"""The SQLite database: connections, transactions, turns of readers, migrations."""
