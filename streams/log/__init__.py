"""Durable, partitioned logs: one protocol, one implementation in SQLite, one on Kafka."""
