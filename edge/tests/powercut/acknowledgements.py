"""What was acknowledged: lines in a file that lies outside the disk that loses its power.

A line is appended by one write after the store has answered. The length of the file at
the moment of the cut, taken before anything else happens, separates what was promised
from what came too late to count.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from roeh.core.types import EvidenceReference


class FragmentAcknowledged(msgspec.Struct, frozen=True, tag="fragment"):
    """A group of pictures was stored there. `pictures_sha256` is over its NAL units as sent."""

    camera_id: str
    segment: int
    fragment: int
    capture_id: str
    capture_seq: int
    pictures_sha256: str


class AlertAcknowledged(msgspec.Struct, frozen=True, tag="alert"):
    """An alert was stored as `seq`, with a lock over its evidence."""

    id: str
    seq: int
    draft_sha256: str
    thumbnail_sha256: str
    raised_id: str
    boot_id: str
    evidence: EvidenceReference


class CheckpointPublished(msgspec.Struct, frozen=True, tag="checkpoint"):
    """A signed note that may have left the pole."""

    note: str


Acknowledgement = FragmentAcknowledged | AlertAcknowledged | CheckpointPublished


class AcknowledgementWriter:
    """Appends to the file, from any thread; the file is there already."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def write(self, acknowledgement: Acknowledgement) -> None:
        """One line, at once or not at all."""
        os.write(self._file, msgspec.json.encode(acknowledgement) + b"\n")


def read_acknowledgements(path: Path, size_bytes: int) -> list[Acknowledgement]:
    """Those of the first `size_bytes`; lines are never divided by a cut."""
    with path.open("rb") as file:
        lines = file.read(size_bytes).splitlines()
    return [msgspec.json.decode(line, type=Acknowledgement) for line in lines]
