"""Images and scanned pages to text."""
