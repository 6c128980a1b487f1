"""Signed webhooks: an outbox that outlives the process, a guard, and one sender an endpoint."""
