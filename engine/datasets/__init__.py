"""Files become Parquet: names, declared types and the conversion that runs inside a worker process."""
