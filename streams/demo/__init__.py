"""The demo: the RedNote wave played through the detectors, embedded or on Kafka, and summed up."""
