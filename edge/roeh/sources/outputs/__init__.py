"""What a pole can switch on to deter: lines, sounds, and a file for trials."""
