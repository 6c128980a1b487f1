"""Recordings that others made, turned into record Parquet: one module a source."""
