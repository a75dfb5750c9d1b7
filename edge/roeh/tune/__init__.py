"""`roeh tune`: recorded footage against changed rules, and what would have been raised."""
