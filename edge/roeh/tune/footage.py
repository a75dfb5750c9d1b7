"""What is looked at again: pictures of one pole in the order in which they were taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

import msgspec

from roeh.ledger.utc_spans import UtcSpan
from roeh.media.frames import PixelFrame
from roeh.sources.protocol import SourceFrame


class Moment(msgspec.Struct, frozen=True):
    """A moment of one boot's time."""

    boot_id: str
    t_mono_ns: int


class FootageFacts(msgspec.Struct, frozen=True):
    """What footage there is.

    Attributes:
        identity: which pictures these are, for times that it covers: a recording is known by
            its pole, a file by its SHA-256.
        cameras: whose it is.
        when: from its first to its last picture.
        length_us: of all cameras together, gaps left out.
    """

    identity: str
    cameras: tuple[str, ...]
    when: UtcSpan
    length_us: int


class Footage(Protocol):
    """Recorded pictures that can be gone through more than once."""

    @property
    def facts(self) -> FootageFacts:
        """What there is of it."""

    @property
    def damages(self) -> tuple[str, ...]:
        """What could not be read, or is not what was recorded, a line each."""

    def frames(
        self, stop: threading.Event, *, since: Moment | None = None
    ) -> Iterator[SourceFrame]:
        """The pictures of all cameras by boot and time, from a moment on.

        Raises:
            LensError: they are of another shape than the camera's lens.
        """

    def samples(self, count: int) -> tuple[Moment, ...]:
        """Moments spread over it, to find out how long it takes."""

    def picture(self, camera_id: str, at: Moment) -> PixelFrame | None:
        """The picture that a camera took at that moment; None when it cannot be had."""
