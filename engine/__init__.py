"""Questions in, Arrow out: the use cases, and what runs inside a worker process."""
