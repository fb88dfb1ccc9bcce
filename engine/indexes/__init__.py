"""Indexes of a table version as files: words for full-text search, vectors for similarity."""
