"""Network cameras."""
