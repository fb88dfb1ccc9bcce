"""PDF to structured Markdown: text layer, tables, pictures, and OCR where there is no text."""
