"""Files of records: NDJSON and Parquet in, in order of log time; NDJSON and Parquet out."""
