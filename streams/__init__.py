"""Everything that touches the world: Faust, Kafka, HTTP, files, clocks and the command line."""
