"""`roeh watch`: what the broker passes, on a terminal; no database, no keys of the desk."""
