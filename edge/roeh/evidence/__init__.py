"""The process that makes things durable: the single writer of node.db."""
