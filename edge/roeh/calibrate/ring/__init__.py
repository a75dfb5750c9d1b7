"""How the cameras of a rig stand to each other."""
