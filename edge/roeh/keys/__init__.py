"""The node's signing keys: where they are at home, who vouches for them, and for how long."""
