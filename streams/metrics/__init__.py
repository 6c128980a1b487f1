"""What goldendog tells Prometheus: base units, few labels, never a token, an author or a URL."""
