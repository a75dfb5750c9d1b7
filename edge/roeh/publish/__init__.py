"""The publish process: from the outbox to the broker."""
