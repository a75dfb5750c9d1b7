"""What stands still where nothing stood before: the things that somebody left."""

from roeh.vision.still.observer import StillObserver

__all__ = ["StillObserver"]
