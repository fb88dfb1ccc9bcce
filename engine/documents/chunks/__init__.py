"""Text to chunks, by headings and tokens."""
