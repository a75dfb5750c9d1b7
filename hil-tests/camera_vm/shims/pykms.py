"""Stands in for kms++, which Debian has not: picamera2 imports it for its window alone.

Nothing of it is ever used by a camera without a screen; whatever is asked of it is there,
and using it fails.
"""


class PixelFormat:
    """The formats of a screen; picamera2 makes a table of some when it is imported."""

    RGB888 = BGR888 = XRGB8888 = XBGR8888 = YUV420 = YVU420 = NV12 = None
