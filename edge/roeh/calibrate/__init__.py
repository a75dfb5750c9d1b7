"""Calibration: which lens a camera has, how it hangs, and how to see whether that is right."""
