"""`roeh evidence`: what is held on a pole, shown and kept by those who look after it."""
