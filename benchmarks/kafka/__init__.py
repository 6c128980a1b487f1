"""What goldendog does on Kafka, in CPU seconds, beside its peers: ``make bench-kafka``."""
