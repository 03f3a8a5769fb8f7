"""What is kept, in SQLite or PostgreSQL: one schema, plain statements, rows mapped by hand."""
