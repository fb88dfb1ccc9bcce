"""Files become Parquet: names, declared types, and the conversion inside a worker process."""
