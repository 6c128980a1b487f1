"""How batches of records reach Faust agents: from Kafka, or from the log of this very process."""
