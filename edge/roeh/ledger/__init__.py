"""What the pole keeps: alerts and the outbox, in one database with one writer."""
