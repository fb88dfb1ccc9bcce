"""JATS XML and MECA archives to structured Markdown."""
