"""A clip's bytes: GOPs read and checked against the index, and the file that they become."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from roeh.bitstream.cut import ClipGop, cut
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_read import FragmentRead, read_fragments, read_init
from roeh.bitstream.mp4_write import fragment
from roeh.core.errors import EvidenceRefused, OutputRefused
from roeh.core.gop import CodecConfig
from roeh.core.peers import SegmentRow
from roeh.custody.clip_choice import Run, StoredGop
from roeh.ledger.records import SegmentRecord
from roeh.ledger.segments import SegmentFiles, hash_next

#: A signature that came later than this stays out: nobody asked for what is recorded then.
MAX_LATE_US = 60_000_000
#: What file systems without hard links answer.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


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

    def late(self, run: Run) -> tuple[StoredGop, ...]:
        """The GOPs behind a run that bring the signature of its last one."""
        if not run.chosen[-1].row.gop_counter:
            return ()  # it has no signature, and none will come
        # Nothing is told of what is only looked at.
        quiet = SegmentReader(self._files, lambda _size_bytes: None)
        last = next(quiet.gops(run.chosen[-1:]), None)
        if last is None:
            return ()
        behind: list[tuple[StoredGop, ClipGop]] = []
        for gop in run.following:
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
        size_bytes = segment.fragments[0].offset_bytes
        init = self._bytes(segment, 0, size_bytes)
        if init is None:
            self._note(segment, "the whole file", "is not there", is_left_out=True)
            return None
        is_intact = record is None or hashlib.sha256(init).hexdigest() == record.init_sha256
        try:
            config = read_init(init)
        except Malformed as error:
            self._note(segment, "its beginning", f"cannot be read ({error.what})", is_left_out=True)
            return None
        if not is_intact:
            self._note(segment, "its beginning", "is not what the ledger says", is_left_out=False)
        self._inits[segment.row] = init
        return config

    def _read(self, gop: StoredGop) -> ClipGop | None:
        config = self.config(gop.segment)
        if config is None:
            return None
        part = f"fragment {gop.number}"
        content = self._bytes(gop.segment, gop.row.offset_bytes, gop.row.size_bytes)
        self._on_read(gop.row.size_bytes)
        if content is None:
            self._note(gop.segment, part, "is not there", is_left_out=True)
            return None
        is_intact = hashlib.sha256(content).hexdigest() == gop.row.sha256
        try:
            read = _only_fragment(self._inits[gop.segment.row] + content)
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

    def _bytes(self, segment: SegmentRow, offset_bytes: int, size_bytes: int) -> bytes | None:
        try:
            with self._files.reading(segment.camera_id, segment.segment) as descriptor:
                return os.pread(descriptor, size_bytes, offset_bytes)
        except FileNotFoundError:
            return None

    def _note(self, segment: SegmentRow, part: str, what: str, *, is_left_out: bool) -> None:
        self.damages.append(Damage(segment.path, part, what, is_left_out))


class WrittenClip(msgspec.Struct, frozen=True):
    """A clip that is on the disk under a name of its own, not yet under its final one."""

    path: Path
    final: Path
    size_bytes: int
    sha256: str


def check_free(paths: Sequence[Path]) -> None:
    """Refuse names that are taken or cannot be written to.

    Raises:
        OutputRefused: one of them is.
    """
    for path in paths:
        if os.path.lexists(path):
            raise _taken(path)
        if not path.parent.is_dir():
            raise OutputRefused(
                what="there is no such directory",
                which=str(path.parent),
                remedy="make it, or name another with --out",
            )


@contextlib.contextmanager
def written(pieces: Iterator[bytes], final: Path) -> Iterator[WrittenClip]:
    """Write a clip beside its final name, on the disk when this yields; gone afterwards.

    Raises:
        OutputRefused: it cannot be written.
    """
    with _refusals(final):
        descriptor, name = tempfile.mkstemp(
            prefix=f".{final.name}.", suffix=".unfinished", dir=final.parent
        )
    path = Path(name)
    try:
        hashed, size_bytes = hashlib.sha256(), 0
        try:
            for piece in pieces:
                hashed.update(piece)
                size_bytes += len(piece)
                with _refusals(final):
                    _write_all(descriptor, piece)
            with _refusals(final):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield WrittenClip(path, final, size_bytes, hashed.hexdigest())
    finally:
        path.unlink(missing_ok=True)


def give_final_name(clip: WrittenClip) -> None:
    """From now on it has its name; a file that has taken it meanwhile is left as it is.

    Raises:
        OutputRefused: it cannot have it.
    """
    with _refusals(clip.final):
        try:
            os.link(clip.path, clip.final)
        except FileExistsError:
            raise _taken(clip.final) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A USB disk's file system: between these two lines the name can be taken.
            if os.path.lexists(clip.final):
                raise _taken(clip.final) from None
            clip.path.rename(clip.final)
        descriptor = os.open(clip.final.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _only_fragment(content: bytes) -> FragmentRead:
    found = list(read_fragments(content))
    if len(found) != 1 or not found[0].units:
        raise Malformed(f"{len(found)} groups of pictures instead of one", 0)
    return found[0]


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputRefused(
            what=f"the clip cannot be written ({error.strerror})",
            which=str(path),
            remedy="free space there, or name another place with --out; nothing was left there",
        ) from None


def _taken(path: Path) -> OutputRefused:
    return OutputRefused(
        what="there is a file of this name, and none is overwritten",
        which=str(path),
        remedy="name another with --out",
    )
