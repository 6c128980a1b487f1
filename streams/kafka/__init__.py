"""Kafka beside the workers: creating and checking topics, and reading and writing a log."""
