"""`roeh commission`: what a pole was like when a technician left it, on paper and on record."""
