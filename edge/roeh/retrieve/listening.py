"""What is said when retrieve cannot listen where the configuration wants it to."""

from __future__ import annotations

import errno

from roeh.core.errors import ConfigError, PortTaken, RoehError


def cannot_listen(
    error: OSError, section: str, where: str, *, other_port: str, place: str
) -> RoehError:
    """Another program has the port, or this machine cannot listen there.

    Args:
        error: what the system said.
        section: of the configuration.
        where: host and port.
        other_port: what another port would be for, in words.
        place: what to name instead.
    """
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            what="another program listens here already",
            which=f"[{section}] port, {where}",
            remedy=f"stop it, or give {other_port} another port (0 takes any that is free)",
        )
    return ConfigError(
        what=f"cannot listen ({error.strerror or error})",
        which=f"[{section}] host and port, {where}",
        remedy=f"{place} and a port above 1023",
    )
