"""A Kafka of our own: started from Apache Kafka's published Java artifacts, for the demo and tests."""
