"""PostgreSQL: the database, the index of words and links, and the migrations."""
