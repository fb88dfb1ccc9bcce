"""What the readers of marked-up text share, and those of HTML, Markdown and plain text."""
