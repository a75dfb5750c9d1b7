"""Looking at pictures: the detect process, `roeh detect` for stills, `roeh replay` for video."""
