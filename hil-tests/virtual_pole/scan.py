"""Tries every TCP port of an address, as who has another, and prints those that take a connection.

Run by itself in another network namespace, so it needs nothing but Python.
"""

import contextlib
import errno
import resource
import select
import socket
import sys
from collections.abc import Iterable

#: In portions, so that the machine that is tried is not busy with nothing else.
_PORTION = 8192
_LAST_PORT = 65535
#: A cable in the same machine answers within milliseconds; who drops never does.
_PATIENCE_MS = 700


def open_ports(address: str, source: str) -> list[int]:
    """The ports of `address` that take a TCP connection from `source`, an address of here."""
    found: list[int] = []
    for first in range(1, _LAST_PORT + 1, _PORTION):
        found += open_among(address, range(first, min(first + _PORTION, _LAST_PORT + 1)), source)
    return found


def open_among(address: str, ports: Iterable[int], source: str) -> list[int]:
    """The ports of some that take a TCP connection from `source`."""
    found = []
    waiting: dict[int, tuple[int, socket.socket]] = {}
    poll = select.poll()
    with contextlib.ExitStack() as sockets:
        for port in ports:
            tried = sockets.enter_context(socket.socket())
            tried.setblocking(False)
            tried.bind((source, 0))
            status = tried.connect_ex((address, port))
            if status == 0:
                found.append(port)
            elif status == errno.EINPROGRESS:
                waiting[tried.fileno()] = port, tried
                poll.register(tried, select.POLLOUT)
        while waiting and (answered := poll.poll(_PATIENCE_MS)):
            for descriptor, _ in answered:
                port, tried = waiting.pop(descriptor)
                poll.unregister(descriptor)
                if tried.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.append(port)
    return sorted(found)


if __name__ == "__main__":
    limit = _PORTION + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    print(*open_ports(sys.argv[1], sys.argv[2]))
