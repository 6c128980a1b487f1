"""Synthetic records: the RedNote wave through its published anchors, and random waves to train on."""
