"""The pure core: records in, scores and alerts out; no clock, no network, no files."""
