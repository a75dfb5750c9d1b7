"""The bag's own files. Pure."""

from __future__ import annotations

from datetime import datetime, timezone

import roeh
from roeh.core.clock import NS_PER_S, ClockReading
from roeh.core.retrieval import ExportRequest


def bag_info(request: ExportRequest, now: ClockReading, files: int, size_bytes: int) -> str:
    """bag-info.txt (RFC 8493 section 2.2.2): metadata in plain text.

    Args:
        request: what the bag is for.
        now: when it is made, by the pole's clock.
        files: of the payload.
        size_bytes: of all of them together.
    """
    day = datetime.fromtimestamp(now.t_utc_ns // NS_PER_S, timezone.utc)
    return (
        f"Bag-Software-Agent: roeh {roeh.__version__}\n"
        f"Bagging-Date: {day:%Y-%m-%d}\n"
        f"External-Identifier: {request.id}\n"
        f"Internal-Sender-Identifier: {request.site}/{request.node}\n"
        f"Payload-Oxum: {size_bytes}.{files}\n"
    )
