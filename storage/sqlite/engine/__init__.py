"""The SQLite database: connections, transactions, the lock of the file."""
