"""The door: records in over HTTP, alerts, metrics and health out."""
