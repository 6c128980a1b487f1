"""A replay's output in the formats of other tools."""
