"""deploy/ brought up without Docker: namespaces of this machine stand for containers."""
