"""`roeh demo`: a whole pole on one machine, from real footage to a control room's screen."""
