"""What runs inside a source process: one task of one connection, from options to Parquet files."""
