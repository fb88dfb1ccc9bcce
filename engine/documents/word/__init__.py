"""DOCX to structured Markdown."""
