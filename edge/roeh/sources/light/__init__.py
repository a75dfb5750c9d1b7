"""Exposure, the infrared filter and the lamps of cameras on the board."""
