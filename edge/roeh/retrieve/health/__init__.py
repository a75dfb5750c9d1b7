"""The page of the node's health, on loopback."""
