"""One segment on its way into a bundle: read once, each part hashed, told as it was found."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Final

from roeh.bundle.choosing import utc_within
from roeh.bundle.layout import GopEntry, SegmentEntry, SegmentState
from roeh.core.custody import FragmentRow, SegmentRow
from roeh.core.errors import StorageFailed
from roeh.core.moments import utc_text
from roeh.ledger.records import SegmentRecord
from roeh.ledger.segments import SegmentFiles
from roeh.ledger.utc_spans import UtcSpan

_PIECE_BYTES: Final = 1 << 18
#: Of one segment; what is more is counted.
_MAX_LINES: Final = 20


class SegmentCopy:
    """A segment that is open, or known not to be there.

    Args:
        record: the ledger's; None: there is none yet, or it is not in the bundle's tree.
        wanted: the span asked for.
    """

    def __init__(
        self, row: SegmentRow, record: SegmentRecord | None, wanted: UtcSpan, descriptor: int | None
    ) -> None:
        self._row = row
        self._record = record
        self._wanted = wanted
        self._descriptor = descriptor
        self._size_bytes = 0
        self._init_sha256 = ""
        self._found: list[str] = []
        self._unread = ""
        self._limit_bytes = 0 if descriptor is None else self._limit(descriptor)

    @property
    def is_there(self) -> bool:
        """Whether there are bytes to be copied."""
        return self._descriptor is not None

    def refuse(self, why: str) -> None:
        """The medium does not give it."""
        self._unread = why

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they are, from the first to the last that can be read."""
        fragments = self._row.fragments
        init_bytes = fragments[0].offset_bytes if fragments else 0
        init = hashlib.sha256()
        for piece in self._up_to(init_bytes):
            init.update(piece)
            yield piece
        self._init_sha256 = init.hexdigest() if self._size_bytes else ""
        for fragment in fragments:
            yield from self._up_to(fragment.offset_bytes)
            hashed, before_bytes = hashlib.sha256(), self._size_bytes
            for piece in self._up_to(fragment.offset_bytes + fragment.size_bytes):
                hashed.update(piece)
                yield piece
            self._found.append(hashed.hexdigest() if self._size_bytes > before_bytes else "")
        yield from self._up_to(self._limit_bytes)

    def entry(self, path: str, sha256: str) -> SegmentEntry:
        """How it was found, once all pieces were taken.

        Args:
            path: where they went.
            sha256: of them all together, which whoever took them has.
        """
        row, record = self._row, self._record
        gops = tuple(self._gop(number, fragment) for number, fragment in enumerate(row.fragments))
        lines = list(self._damage(gops, sha256))
        when = utc_within(row, row.t_first_mono_us, row.t_end_mono_us)
        return SegmentEntry(
            camera_id=row.camera_id,
            segment=row.segment,
            path=path if self.is_there else "",
            leaf=row.leaf if record is not None else None,
            state=self._state(lines),
            damage=tuple(lines[:_MAX_LINES]) + _more(len(lines) - _MAX_LINES),
            size_bytes=self._size_bytes,
            size_recorded_bytes=self._recorded_bytes(),
            sha256=sha256 if self.is_there else "",
            sha256_recorded="" if record is None else record.sha256,
            init_sha256=self._init_sha256,
            init_sha256_recorded="" if record is None else record.init_sha256,
            boot_id=row.boot_id,
            t_first_mono_us=row.t_first_mono_us,
            t_end_mono_us=row.t_end_mono_us,
            from_utc_us=when.from_us,
            to_utc_us=when.to_us,
            utc_error_us=when.error_us,
            synchronised=when.synchronised,
            end_reason=row.end_reason,
            gops=gops,
        )

    def _limit(self, descriptor: int) -> int:
        """How far it goes: one that is being written, as far as it was acknowledged."""
        if self._row.end_reason is None:
            return self._recorded_bytes()
        return os.fstat(descriptor).st_size

    def _recorded_bytes(self) -> int:
        if self._record is not None:
            return self._record.size_bytes
        last = self._row.fragments[-1:]
        return last[0].offset_bytes + last[0].size_bytes if last else self._row.size_bytes

    def _up_to(self, end_bytes: int) -> Iterator[bytes]:
        """The next bytes up to a place of the file, or as far as there are any."""
        if self._descriptor is None or self._unread:
            return
        end_bytes = min(end_bytes, self._limit_bytes)
        while self._size_bytes < end_bytes:
            wanted_bytes = min(_PIECE_BYTES, end_bytes - self._size_bytes)
            try:
                piece = os.pread(self._descriptor, wanted_bytes, self._size_bytes)
            except OSError as error:
                # Read into the middle of a damaged place: what lies before it is whole.
                self._unread = f"from byte {self._size_bytes} on ({error.strerror})"
                return
            if not piece:
                return
            self._size_bytes += len(piece)
            yield piece

    def _gop(self, number: int, fragment: FragmentRow) -> GopEntry:
        when = utc_within(self._row, fragment.t_first_mono_us, fragment.t_end_mono_us)
        return GopEntry(
            offset_bytes=fragment.offset_bytes,
            size_bytes=fragment.size_bytes,
            sha256_recorded=self._gop_recorded(number, fragment),
            sha256=self._found[number] if number < len(self._found) else "",
            counter=fragment.gop_counter,
            from_utc_us=when.from_us,
            to_utc_us=when.to_us,
            is_asked_for=when.overlaps(self._wanted),
        )

    def _gop_recorded(self, number: int, fragment: FragmentRow) -> str:
        """The ledger's word, where it has one: the index is not signed."""
        if self._record is not None and number < len(self._record.fragments):
            return self._record.fragments[number].sha256
        return fragment.sha256

    def _state(self, lines: list[str]) -> SegmentState:
        if not self._row.is_present:
            return "deleted"
        if self._unread:
            return "unreadable"
        if self._descriptor is None:
            return "missing"
        return "damaged" if lines else "intact"

    def _damage(self, gops: tuple[GopEntry, ...], sha256: str) -> Iterator[str]:
        path, record = self._row.path, self._record
        if not self._row.is_present:
            return
        if self._unread:
            yield f"{path} cannot be read {self._unread}"
        elif self._descriptor is None:
            yield f"{path} is not there, and no record says that it was deleted"
            return
        recorded_bytes = self._recorded_bytes()
        if self._size_bytes < recorded_bytes:
            yield f"{path} has {self._size_bytes} of {recorded_bytes} bytes"
        elif self._size_bytes > recorded_bytes:
            yield f"{path} has {self._size_bytes - recorded_bytes} bytes more than were recorded"
        known = False
        if record is not None and self._init_sha256 != record.init_sha256:
            yield f"{path}: what stands before its first group of pictures is not as recorded"
            known = True
        for number, gop in enumerate(gops, 1):
            if gop.sha256 != gop.sha256_recorded:
                known = True
                what = "is not what was recorded" if gop.sha256 else "is not there"
                yield f"{path}: group of pictures {number} ({utc_text(gop.from_utc_us)}) {what}"
        if record is None or known or self._size_bytes != recorded_bytes:
            return
        if sha256 != record.sha256:
            yield f"{path} is not what was recorded"


@contextlib.contextmanager
def copying(
    files: SegmentFiles, row: SegmentRow, record: SegmentRecord | None, wanted: UtcSpan
) -> Iterator[SegmentCopy]:
    """The segment open for reading, or as it is if it cannot be opened."""
    with contextlib.ExitStack() as stack:
        descriptor: int | None = None
        unread = ""
        if row.is_present:
            try:
                descriptor = stack.enter_context(files.reading(row.camera_id, row.segment))
            except FileNotFoundError:
                descriptor = None
            except StorageFailed as error:
                unread = f"({error.what})"
        copy = SegmentCopy(row, record, wanted, descriptor)
        if unread:
            copy.refuse(unread)
        yield copy


def _more(lines: int) -> tuple[str, ...]:
    return (f"and {lines} more of this segment",) if lines > 0 else ()
