"""Imported once by the process that the suite's processes are forked from."""

from tests.gops import encoded
from tests.powercut import check, evidence, pole  # noqa: F401 - so that the forks have them

# What the cameras send, for both of their formats.
encoded()
encoded("h264", 192, 96)
