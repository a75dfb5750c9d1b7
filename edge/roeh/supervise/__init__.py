"""`roeh run`: starts the processes of a pole and brings back those that end."""
