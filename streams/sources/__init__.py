"""How records get into a log."""
