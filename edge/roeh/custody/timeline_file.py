"""The timeline's picture as a file, headed with where it comes from."""

from __future__ import annotations

from pathlib import Path

import cv2

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.custody import EvidenceStatus
from roeh.core.errors import OutputRefused, one_line
from roeh.core.moments import reading_text
from roeh.custody.timeline import Timeline
from roeh.custody.timeline_picture import Heading, draw_timeline

_ROOT_LINE = 2


def write_timeline(
    path: Path, timeline: Timeline, config: NodeConfig, status: EvidenceStatus, clock: Clock
) -> None:
    """Draw the picture there, as PNG.

    Raises:
        OutputRefused: it cannot be written.
    """
    made = reading_text(clock.read())
    node = config.node
    heading = Heading(
        title=one_line(f"Video held by {node.site}/{node.name}"),
        made=f"Drawn {made}.",
        ledger=_ledger_text(status),
    )
    _, encoded = cv2.imencode(".png", draw_timeline(timeline, heading))
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputRefused(
            what=f"the picture cannot be written ({error.strerror})",
            which=str(path),
            remedy="name a file in a directory that you can write",
        ) from None


def _ledger_text(status: EvidenceStatus) -> str:
    """Which ledger the picture is of: its signed root, to be compared with the checkpoint."""
    text = f"Ledger of {status.ledger_size} records."
    lines = (status.checkpoint or "").split("\n")
    if len(lines) > _ROOT_LINE:
        text += f" Newest checkpoint: {lines[1]} records, root {lines[_ROOT_LINE]}."
    return text
