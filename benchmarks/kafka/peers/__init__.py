"""Peers, each a process of its own that reads the same topic."""
