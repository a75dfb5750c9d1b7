"""The witness: sees that every ledger only ever continues, and says when it had seen that."""
