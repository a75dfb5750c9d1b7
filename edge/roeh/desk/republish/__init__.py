"""What the desk passes on to those who answer for a part of the city."""
