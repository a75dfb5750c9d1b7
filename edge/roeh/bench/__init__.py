"""`make bench`: what the product costs, beside what it would cost at the least."""
