"""Topics kept in Parquet files, to be replayed, queried, and put back into topics."""
