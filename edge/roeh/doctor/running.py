"""Whether a process of the node is there, without disturbing it."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path


def is_bound(path: Path) -> bool:
    """Whether a process listens at a socket's path.

    Asked with a socket of another kind: the kernel answers for the process, which never hears
    of it (unix(7), connect: EPROTOTYPE; ECONNREFUSED where nobody is left).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            status = probe.connect_ex(os.fsencode(path))
        except OSError:
            return False  # a path longer than a socket's can be
    return status == errno.EPROTOTYPE
