"""Reading files from strangers: in a child process with limits, whatever the bytes are.

A parser that is led astray can take all memory, all time or the process with it. So a child
reads each file and gives back facts; what becomes of the child is a finding about the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from roeh.bitstream.boxes import boxes, opened
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.media_signing import is_media_signing_sei
from roeh.bitstream.mp4_read import (
    FragmentRead,
    init_size_bytes,
    read_fragments,
    read_init,
    read_video,
)
from roeh.bitstream.mp4_write import fragment, init_segment, note_box
from roeh.bitstream.nal import Octets, is_slice, split_length_prefixed
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import AccessUnit, CodecConfig
from roeh.verify.bundles.contents import Content
from roeh.verify.facts import SliceFact, StreamFact, facts_of_nals
from roeh.verify.onvif import StreamJudge, Tally

_CHUNK_BYTES = 1 << 20
_NS_PER_MS = 1_000_000
#: A segment has some 10 MB; a clip is read GOP by GOP.
_MAX_MEMORY_BYTES = 1 << 30
_CPU_S_PER_MB = 1
_CPU_S = 30
#: What a child may answer: an hour of video has some 10 MB of facts.
_MAX_ANSWER_BYTES = 256 << 20
_MAX_NOTE_BYTES = 64 << 10


class GopFacts(msgspec.Struct, frozen=True):
    """One GOP: where it begins, and its facts in order. Without any for H.265.

    `pictures_sha256` is over all that a decoder gets, signatures apart, and when, within it, each
    picture is decoded and shown: the same pictures in another file have the same. `first_dts`:
    when the first is decoded, in ticks of the file.
    """

    offset_bytes: int
    pictures: int
    facts: tuple[StreamFact, ...]
    pictures_sha256: bytes = b""
    first_dts: int = 0


class Piece(msgspec.Struct, frozen=True):
    """A stretch of a file as a record names it, behind the one before; the first at byte 0."""

    size_bytes: int
    sha256: str


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """A file of video.

    Attributes:
        pieces_in_place: whether each piece that was asked about is where it should be.
        fragments_sha256: of the fragments as they stand; only when a piece is not in place.
        note: what the file says of itself behind its header, as a clip does; nothing vouches
            for it.
        codec: None when not even that can be read.
        config_sha256: of what a decoder is told before the first picture.
        tally: as the ONVIF reference counts, of H.264 that was read without its facts.
        is_plain_join: of a file read without its facts: every byte round its pictures is what
            `bitstream.cut.join` writes for them.
        damage: why it could not be read to its end, and from which byte; gops before that
            are whole.
    """

    size_bytes: int
    sha256: bytes
    pieces_in_place: tuple[bool, ...]
    fragments_sha256: tuple[str, ...]
    codec: str | None
    note: str
    gops: tuple[GopFacts, ...]
    damage: str | None
    damage_offset_bytes: int | None
    config_sha256: bytes = b""
    tally: Tally | None = None
    is_plain_join: bool = False


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable"):
    """A file of which nothing can be said; `why` is for the report."""

    why: str


def read_file(
    content: Content,
    pieces: Sequence[Piece],
    clock: Clock,
    *,
    budget_s: int | None = None,
    is_brief: bool = False,
) -> FileFacts | Unreadable:
    """The facts of a file, read by a child.

    Args:
        content: the file.
        pieces: what it should consist of: a segment's init part and its fragments.
        clock: for the time that the child may take.
        budget_s: processor seconds that it may take; real ones are twice as many. By default
            what a slow board needs for a file of this size, several times over.
        is_brief: without the facts of its pictures, which for a long join are many.
    """
    try:
        size_bytes = content.size_bytes()
    except OSError as error:
        return Unreadable(error.strerror or str(error))
    if budget_s is None:
        budget_s = _CPU_S + _CPU_S_PER_MB * size_bytes // 1_000_000
    answer = _in_child(lambda: facts_of_file(content, pieces, is_brief=is_brief), budget_s, clock)
    if isinstance(answer, str):
        return Unreadable(answer)
    try:
        return msgspec.msgpack.decode(answer, type=FileFacts | Unreadable)
    except msgspec.MsgspecError:
        return Unreadable("its reader answered nothing that makes sense")


def facts_of_file(
    content: Content, pieces: Sequence[Piece], *, is_brief: bool = False
) -> FileFacts | Unreadable:
    """The same in this process."""
    try:
        with content.open() as file:
            size_bytes, sha256, in_place = _hashes(file, pieces)
            stretches: list[tuple[int, int]] = []
            codec: str | None = None
            config_sha256 = b""
            note = ""
            gops: list[GopFacts] = []
            judge = StreamJudge() if is_brief else None
            joined: _PlainJoin | None = None
            damage: Malformed | None = None
            try:
                config = read_init(file)
                codec = config.codec
                config_sha256 = hashlib.sha256(msgspec.msgpack.encode(config)).digest()
                note = _note(file)
                joined = _PlainJoin(file, config, note) if is_brief else None
                _read_gops(file, codec, (gops, stretches), judge, joined)
                _check_order_of_boxes(file, size_bytes, gops)
            except Malformed as error:
                damage = error
            fragments = () if all(in_place) else _fragment_hashes(file, stretches)
    except OSError as error:
        return Unreadable(error.strerror or str(error))
    return FileFacts(
        size_bytes=size_bytes,
        sha256=sha256,
        pieces_in_place=in_place,
        fragments_sha256=fragments,
        codec=codec,
        note=note,
        gops=tuple(gops),
        damage=None if damage is None else damage.what,
        damage_offset_bytes=None if damage is None else damage.offset_bytes,
        config_sha256=config_sha256,
        tally=judge.tally() if judge is not None and codec == "h264" else None,
        is_plain_join=joined is not None and joined.is_exact(size_bytes),
    )


def _hashes(file: BinaryIO, pieces: Sequence[Piece]) -> tuple[int, bytes, tuple[bool, ...]]:
    """Size and hash of the whole, and whether each piece is in its place, in one pass."""
    whole = hashlib.sha256()
    in_place: list[bool] = []
    size_bytes = 0
    for expected in pieces:
        piece = hashlib.sha256()
        left = expected.size_bytes
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            whole.update(chunk)
            piece.update(chunk)
            left -= len(chunk)
            size_bytes += len(chunk)
        in_place.append(not left and piece.hexdigest() == expected.sha256)
    while chunk := file.read(_CHUNK_BYTES):
        whole.update(chunk)
        size_bytes += len(chunk)
    return size_bytes, whole.digest(), tuple(in_place)


def _fragment_hashes(file: BinaryIO, stretches: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    hashed: list[str] = []
    for offset_bytes, size_bytes in stretches:
        file.seek(offset_bytes)
        hashed.append(hashlib.sha256(file.read(size_bytes)).hexdigest())
    return tuple(hashed)


def _note(file: BinaryIO) -> str:
    """The words in a free box between header and pictures."""
    source = opened(file)
    for box in boxes(source, init_size_bytes(file), source.end):
        if box.kind == b"free" and box.end - box.start <= _MAX_NOTE_BYTES:
            return bytes(source.read(box.start, box.end - box.start)).decode("utf-8", "replace")
        if box.kind in {b"moof", b"mdat"}:
            break
    return ""


def _read_gops(
    file: BinaryIO,
    codec: str,
    found: tuple[list[GopFacts], list[tuple[int, int]]],
    judge: StreamJudge | None,
    joined: _PlainJoin | None,
) -> None:
    """GOPs, and where the fragments stand; both as far as it can be read."""
    gops, stretches = found
    has_fragments = False
    for read in read_fragments(file):
        has_fragments = True
        stretches.append((read.offset_bytes, read.size_bytes))
        if joined is not None:
            joined.take(read)
        offsets = [read.offset_bytes, *read.unit_offsets_bytes[1:]]
        gops += _split(codec, zip(offsets, read.units, strict=True), judge)
    if not has_fragments:
        pictures = ((each.offset_bytes, each.unit) for each in read_video(file).pictures)
        gops += _split(codec, pictures, judge)


class _PlainJoin:
    """Whether a file is what `join` writes for its pictures, byte for byte.

    Another track, a matrix that mirrors the picture, a list of edits: players heed what
    stands round the pictures too.
    """

    def __init__(self, file: BinaryIO, config: CodecConfig, note: str) -> None:
        self._file = file
        self._at_bytes = 0
        self._number = 0
        self._is_exact = True
        self._take(lambda: init_segment(config) + (note_box(note) if note else b""))

    def take(self, read: FragmentRead) -> None:
        """The next fragment."""
        self._number += 1
        self._take(lambda: fragment(self._number, read.base_dts, read.units, read.end_dts))

    def is_exact(self, size_bytes: int) -> bool:
        """After the last one."""
        return self._is_exact and self._at_bytes == size_bytes

    def _take(self, written: Callable[[], bytes]) -> None:
        if not self._is_exact:
            return
        try:
            wanted = written()
        except (EvidenceRefused, Malformed):
            self._is_exact = False
            return
        self._file.seek(self._at_bytes)
        self._is_exact = self._file.read(len(wanted)) == wanted
        self._at_bytes += len(wanted)


class _Gop:
    """A GOP while it is read."""

    def __init__(self, offset_bytes: int, first_dts: int) -> None:
        self._offset_bytes = offset_bytes
        self._first_dts = first_dts
        self._count = 0
        self._facts: list[StreamFact] = []
        self._pictures = hashlib.sha256()

    def take(
        self, codec: str, unit: AccessUnit, nals: Sequence[Octets], facts: Sequence[StreamFact]
    ) -> None:
        self._count += 1
        self._facts += facts
        times = (unit.dts - self._first_dts, unit.pts - self._first_dts)
        self._pictures.update(b"%d %d " % times)
        others: Iterable[Octets] = nals
        hashed: list[bytes] = []
        if codec == "h264":
            hashed = [fact.own_hash for fact in facts if isinstance(fact, SliceFact)]
            # A join leaves out signatures of GOPs before it.
            others = (n for n in nals if not is_slice("h264", n) and not is_media_signing_sei(n))
        hashed += [hashlib.sha256(nal).digest() for nal in others]
        self._pictures.update(b"".join(hashed))

    def done(self, judge: StreamJudge | None) -> GopFacts:
        """What it is; a judge takes its facts, which are then kept nowhere."""
        facts = tuple(self._facts)
        if judge is not None:
            for fact in facts:
                judge.take(fact)
            facts = ()
        return GopFacts(
            self._offset_bytes, self._count, facts, self._pictures.digest(), self._first_dts
        )


def _split(
    codec: str, pictures: Iterable[tuple[int, AccessUnit]], judge: StreamJudge | None
) -> list[GopFacts]:
    """Pictures as GOPs: each begins with a picture that decoding can start from."""
    gops: list[GopFacts] = []
    gop: _Gop | None = None
    for at, unit in pictures:
        nals = list(split_length_prefixed(unit.nal_units))
        found = facts_of_nals(nals) if codec == "h264" else []
        starts = unit.is_key or any(isinstance(f, SliceFact) and f.starts_gop for f in found)
        if gop is not None and starts:
            gops.append(gop.done(judge))
        if gop is None or starts:
            gop = _Gop(at, unit.dts)
        gop.take(codec, unit, nals, found)
    if gop is not None:
        gops.append(gop.done(judge))
    return gops


def _check_order_of_boxes(file: BinaryIO, size_bytes: int, gops: list[GopFacts]) -> None:
    if not gops:
        raise Malformed("no pictures in it", min(init_size_bytes(file), size_bytes))


def _in_child(work: Callable[[], msgspec.Struct], budget_s: int, clock: Clock) -> bytes | str:
    """What a child answers; a text when it did not, which says why."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, receiving, sending, budget_s)
    os.close(sending)
    try:
        answer = _receive(receiving, clock.mono_ns() + 2 * budget_s * NS_PER_S, clock)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        os.close(receiving)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if answer is None:
        return "reading it takes too long or gives too much"
    if code == -signal.SIGXCPU:
        return "reading it takes too long"
    if code < 0:
        return f"reading it ended with {signal.Signals(-code).name}"
    if code > 0:
        return f"reading it failed ({answer.decode('utf-8', 'replace') or 'no reason given'})"
    return answer


def _be_child(
    work: Callable[[], msgspec.Struct], receiving: int, sending: int, budget_s: int
) -> None:
    """Never returns. Whatever goes wrong here is the file's doing, and the parent's finding."""
    code = 1
    try:
        os.close(receiving)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (budget_s, budget_s))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit_bytes = _address_space_bytes() + _MAX_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
        _send(sending, msgspec.msgpack.encode(work()))
        code = 0
    except BaseException as error:  # noqa: BLE001  # told to the parent, which reports it
        with contextlib.suppress(BaseException):
            _send(sending, type(error).__name__.encode())
    finally:
        os._exit(code)


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _send(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _receive(descriptor: int, until_mono_ns: int, clock: Clock) -> bytes | None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    parts: list[bytes] = []
    left_bytes = _MAX_ANSWER_BYTES
    while True:
        wait_ms = max(0, until_mono_ns - clock.mono_ns()) // _NS_PER_MS
        if not poll.poll(wait_ms):
            return None
        part = os.read(descriptor, _CHUNK_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)
        left_bytes -= len(part)
        if left_bytes < 0:
            return None
