"""The store on SQLite: all SQL, the connection, and the migrations."""
