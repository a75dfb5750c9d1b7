"""Whether a camera sees what it was set up to see: covered, blinded, defocused, turned, moved."""

from roeh.vision.tamper.observer import TamperObserver

__all__ = ["TamperObserver"]
