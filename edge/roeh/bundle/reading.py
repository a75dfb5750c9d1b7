"""Stored GOPs read and checked against the index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from roeh.bitstream.cut import ClipGop, cut
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_read import FragmentRead, read_fragments, read_init
from roeh.bitstream.mp4_write import fragment
from roeh.bundle.choosing import StoredGop
from roeh.core.custody import SegmentRow
from roeh.core.errors import EvidenceRefused, StorageFailed
from roeh.core.gop import CodecConfig
from roeh.ledger.records import SegmentRecord
from roeh.ledger.segments import SegmentFiles, hash_next

#: A signature that came later than this stays out: nobody asked for what is recorded then.
MAX_LATE_US: Final = 60_000_000
#: Beginnings of segments that are kept: GOPs are read in order, so few are needed again.
_KEPT_INITS: Final = 8


class Damage(msgspec.Struct, frozen=True):
    """Something stored that is not as it was left.

    Attributes:
        path: the segment's, below the directory of segments.
        part: of it, in words.
        what: in words.
        is_left_out: whether it is not in the clip; else it is in it as it is.
    """

    path: str
    part: str
    what: str
    is_left_out: bool


class SegmentReader:
    """Reads GOPs out of segment files; what is wrong with them is collected, not raised.

    Args:
        on_read: told the bytes of each fragment that was read.
    """

    def __init__(self, files: SegmentFiles, on_read: Callable[[int], None]) -> None:
        self.damages: list[Damage] = []
        self._files = files
        self._on_read = on_read
        self._inits: dict[int, bytes] = {}
        self._configs: dict[int, CodecConfig | None] = {}

    def config(
        self, segment: SegmentRow, record: SegmentRecord | None = None
    ) -> CodecConfig | None:
        """What its pictures need to be decoded; None when it cannot be read.

        Compared with its record when it is read first.
        """
        if segment.row not in self._configs:
            self._configs[segment.row] = self._read_config(segment, record)
        return self._configs[segment.row]

    def gops(self, stored: Iterable[StoredGop]) -> Iterator[ClipGop]:
        """Those that can be read, damaged ones as they are."""
        for gop in stored:
            read = self._read(gop)
            if read is not None:
                yield read

    def late(self, last_chosen: StoredGop, following: Sequence[StoredGop]) -> tuple[StoredGop, ...]:
        """The GOPs behind the last one of a run that bring its signature."""
        if not last_chosen.row.gop_counter:
            return ()  # it has no signature, and none will come
        # Nothing is told of what is only looked at.
        quiet = SegmentReader(self._files, lambda _size_bytes: None)
        last = next(quiet.gops([last_chosen]), None)
        if last is None:
            return ()
        behind: list[tuple[StoredGop, ClipGop]] = []
        for gop in following:
            if gop.t_first_us - last.t_end_us > MAX_LATE_US:
                break
            read = next(quiet.gops([gop]), None)
            if read is not None and read.config != last.config:
                break
            if read is not None:
                behind.append((gop, read))
        clip = cut([last, *(read for _, read in behind)], last.t_first_us, last.t_end_us)
        # Its first pieces are the init segment and the last GOP itself.
        count = sum(1 for _ in clip) - 2
        return tuple(gop for gop, _ in behind[:count])

    def sha256_up_to(self, segment: SegmentRow, size_bytes: int) -> str:
        """Of the first bytes of a segment, as they are now."""
        try:
            with self._files.reading(segment.camera_id, segment.segment) as descriptor:
                return hash_next(descriptor, size_bytes, hashlib.sha256()).hex()
        except FileNotFoundError:
            return hashlib.sha256().hexdigest()

    def _read_config(self, segment: SegmentRow, record: SegmentRecord | None) -> CodecConfig | None:
        try:
            init = self._init(segment)
        except _Unread as unread:
            self._note(segment, "the whole file", unread.what, is_left_out=True)
            return None
        is_intact = record is None or hashlib.sha256(init).hexdigest() == record.init_sha256
        try:
            config = read_init(init)
        except Malformed as error:
            self._note(segment, "its beginning", f"cannot be read ({error.what})", is_left_out=True)
            return None
        if not is_intact:
            self._note(segment, "its beginning", "is not what the ledger says", is_left_out=False)
        return config

    def _read(self, gop: StoredGop) -> ClipGop | None:
        config = self.config(gop.segment)
        if config is None:
            return None
        part = f"fragment {gop.number}"
        self._on_read(gop.row.size_bytes)
        try:
            init = self._init(gop.segment)
            content = self._bytes(gop.segment, gop.row.offset_bytes, gop.row.size_bytes)
        except _Unread as unread:
            self._note(gop.segment, part, unread.what, is_left_out=True)
            return None
        is_intact = hashlib.sha256(content).hexdigest() == gop.row.sha256
        try:
            read = _only_fragment(init + content)
            if not is_intact:
                fragment(1, 0, read.units, read.end_dts)  # its times can be written again
        except (Malformed, EvidenceRefused) as error:
            self._note(gop.segment, part, f"cannot be read ({error.what})", is_left_out=True)
            return None
        if not is_intact:
            self._note(gop.segment, part, "is not what was recorded", is_left_out=False)
        return ClipGop(
            config=config,
            units=read.units,
            end_dts=read.end_dts,
            t_first_us=gop.t_first_us,
            t_end_us=gop.t_end_us,
        )

    def _init(self, segment: SegmentRow) -> bytes:
        if segment.row not in self._inits:
            size_bytes = segment.fragments[0].offset_bytes
            self._inits[segment.row] = self._bytes(segment, 0, size_bytes)
            if len(self._inits) > _KEPT_INITS:
                del self._inits[next(iter(self._inits))]
        return self._inits[segment.row]

    def _bytes(self, segment: SegmentRow, offset_bytes: int, size_bytes: int) -> bytes:
        try:
            with self._files.reading(segment.camera_id, segment.segment) as descriptor:
                return os.pread(descriptor, size_bytes, offset_bytes)
        except FileNotFoundError:
            raise _Unread("is not there") from None
        except StorageFailed as error:
            raise _Unread(f"cannot be read ({error.what})") from None

    def _note(self, segment: SegmentRow, part: str, what: str, *, is_left_out: bool) -> None:
        self.damages.append(Damage(segment.path, part, what, is_left_out))


class _Unread(Exception):
    """Bytes that are not to be had; `what` in words."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def _only_fragment(content: bytes) -> FragmentRead:
    found = list(read_fragments(content))
    if len(found) != 1 or not found[0].units:
        raise Malformed(f"{len(found)} groups of pictures instead of one", 0)
    return found[0]
