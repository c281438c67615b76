"""The PostgreSQL database: connections, transactions, the lock of the store."""
