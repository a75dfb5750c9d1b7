"""Imported once by the process that the suite's processes are forked from."""

from tests.gops import encoded
from tests.powercut import check, evidence, pole  # noqa: F401 - so that the forks have them

# What the cameras send, in both of their formats.
for _noise in pole.NOISE:
    for _width_px, _height_px in pole.SIZES_PX:
        encoded("h264", _width_px, _height_px, noise=_noise)
encoded()
