"""Worker processes: the only place where queries are planned, run and encoded."""
