"""Redacted copies in a bundle: what a sandboxed child made, and what says of which originals."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from roeh.bundle.choosing import segment_utc
from roeh.bundle.rendering import Renderer
from roeh.core.config import SensorSection
from roeh.core.custody import SegmentRow
from roeh.core.errors import StorageFailed
from roeh.core.rendering import (
    MAX_REDACTED_US,
    MAX_SEGMENTS,
    RedactOrder,
    camera_regions,
    masks_of,
    segment_input,
)
from roeh.core.retrieval import ExportRequest, Region
from roeh.ledger.segments import SegmentFiles

_READ_BYTES: Final = 1 << 18
#: With what else is open, below what a process may have.
_SEGMENTS_A_COPY: Final = min(MAX_SEGMENTS, 200)


class Stretch(msgspec.Struct, frozen=True):
    """What one copy is made of: segments that follow each other, and a span of them."""

    rows: tuple[SegmentRow, ...]
    from_utc_us: int
    to_utc_us: int


class RedactedCopy(msgspec.Struct, frozen=True):
    """A copy in a file without a name: its descriptor, and what was made unreadable."""

    descriptor: int
    obscured: tuple[Region, ...]

    def pieces(self) -> Iterator[bytes]:
        """The copy, from its beginning."""
        place = 0
        while piece := os.pread(self.descriptor, _READ_BYTES, place):
            place += len(piece)
            yield piece


class Redactor:
    """Has copies made in which regions and masks show nothing.

    Args:
        directory: where a copy lies, without a name, until it is in the bundle.
    """

    def __init__(
        self,
        renderer: Renderer,
        files: SegmentFiles,
        sensors: Sequence[SensorSection],
        directory: Path,
    ) -> None:
        self._renderer = renderer
        self._files = files
        self._sensors = {sensor.name: sensor for sensor in sensors}
        self._directory = directory

    @contextlib.contextmanager
    def redacted(self, stretch: Stretch, request: ExportRequest) -> Iterator[RedactedCopy]:
        """A copy of a stretch.

        Raises:
            RenderFailed: it could not be made; nothing is given instead.
            OSError: no room for it.
        """
        camera_id = stretch.rows[0].camera_id
        with contextlib.ExitStack() as stack:
            rows: list[SegmentRow] = []
            descriptors: list[int] = []
            for row in stretch.rows:
                with contextlib.suppress(FileNotFoundError, StorageFailed):
                    opened = self._files.reading(row.camera_id, row.segment)
                    descriptors.append(stack.enter_context(opened))
                    rows.append(row)
            sensor = self._sensors.get(camera_id)
            order = RedactOrder(
                segments=tuple(map(segment_input, rows)),
                from_utc_us=stretch.from_utc_us,
                to_utc_us=stretch.to_utc_us,
                regions=camera_regions(request.regions, camera_id),
                masks=None if sensor is None else masks_of(sensor),
            )
            copy = stack.enter_context(tempfile.TemporaryFile(dir=self._directory))
            finished = self._renderer.redact(order, descriptors, copy.fileno())
            yield RedactedCopy(copy.fileno(), finished.obscured)


def stretches_of(rows: Iterator[SegmentRow], request: ExportRequest) -> Iterator[Stretch]:
    """Copies are made of an hour at most: where one ends and the next begins."""
    held: list[SegmentRow] = []
    for row in rows:
        if held and (
            segment_utc(row).to_us - _from(held[0], request) > MAX_REDACTED_US
            or len(held) == _SEGMENTS_A_COPY
        ):
            yield _stretch(held, request)
            held = []
        held.append(row)
    if held:
        yield _stretch(held, request)


def _stretch(rows: list[SegmentRow], request: ExportRequest) -> Stretch:
    to_us = min(request.to_utc_us, segment_utc(rows[-1]).to_us)
    return Stretch(tuple(rows), _from(rows[0], request), to_us)


def _from(row: SegmentRow, request: ExportRequest) -> int:
    return max(request.from_utc_us, segment_utc(row).from_us)
