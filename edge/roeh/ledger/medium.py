"""What the medium holds, instead of what the kernel's cache believes that it holds.

A write that failed is told to one sync and then forgotten: the cache keeps the page, as if it
were on the disk. A process that ended there and starts again would read what a power cut
takes away, and build on it.
"""

from __future__ import annotations

import os
from pathlib import Path


def read_anew(path: Path) -> None:
    """Have the next reader of a file see the medium; nothing to do where there is no file.

    Raises:
        OSError: what is still to be written cannot be.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
