"""What a calibration tells whoever waits for it, beside its result."""

from __future__ import annotations

import sys

from roeh.core.errors import one_line


def tell(line: str) -> None:
    """A line on standard error, at once."""
    sys.stderr.write(f"roeh calibrate: {one_line(line)}\n")
    sys.stderr.flush()
