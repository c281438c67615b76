"""SQLite: the file, the full-text index, and the migrations."""
