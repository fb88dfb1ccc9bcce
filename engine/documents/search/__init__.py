"""Searches of documents by words, by meaning, and by both."""
