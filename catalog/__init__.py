"""What exists, durably: metadata in SQLite or Postgres, bytes in a blob store."""
