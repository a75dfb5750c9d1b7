"""What there is to verify at a path: files of video by stream, and a ledger."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.core.errors import EvidenceRefused
from roeh.ledger.mirror_parts import MAX_LINE_BYTES, last_line, list_parts, part_path, record_of
from roeh.ledger.records import SegmentRecord
from roeh.verify.bundles.contents import Content, FileContent

_SEGMENT = re.compile(r"([0-9]{8})\.mp4")
_SEGMENTS_DIRECTORY = "segments"
_LEDGER_DIRECTORY = "ledger"
_KEYS_DIRECTORY = "keys"
_VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov"}
_MAX_PEM_BYTES = 1 << 20
_MAX_NOTE_BYTES = 1 << 20


class VideoFile(msgspec.Struct, frozen=True):
    """A file to verify.

    Attributes:
        shown: its path for the report.
        number: of the segment, by its name; None for any other file.
        is_context: only read because the files beside it are judged with it.
    """

    content: Content
    shown: str
    number: int | None
    is_context: bool = False


class Stream(msgspec.Struct, frozen=True):
    """Files of one camera in order. `camera_id` is None outside a store."""

    name: str
    camera_id: str | None
    files: tuple[VideoFile, ...]


class Place(msgspec.Struct, frozen=True):
    """What is verified.

    `only` limits the report to one file of a store.
    """

    streams: tuple[Stream, ...]
    strays: tuple[str, ...]
    ledger: Path | None
    keys: Path | None
    is_store: bool
    only: str | None = None

    def files(self) -> frozenset[tuple[str | None, int | None]]:
        """Camera and number of every file."""
        return frozenset(
            (stream.camera_id, file.number) for stream in self.streams for file in stream.files
        )


def place_at(path: Path) -> Place:
    """What there is at a path.

    Raises:
        EvidenceRefused: nothing that can be verified.
    """
    try:
        if path.is_file():
            return _lone_file(path)
        if not path.is_dir():
            raise _refused("no such file or directory", path)
        if (path / _SEGMENTS_DIRECTORY).is_dir() or (path / _LEDGER_DIRECTORY).is_dir():
            return _store(path)
        streams, strays = _streams(path)
    except OSError as error:
        raise _refused(error.strerror or str(error), path) from error
    if not streams:
        raise _refused("no video and no ledger in it", path)
    return Place(streams, strays, None, None, is_store=False)


def ledger_lines(
    ledger: Path, from_part: int = 0, from_bytes: int = 0
) -> Iterator[tuple[bytes, int, int]]:
    """Lines of the mirror without their ends, each with its part and offset there.

    From an offset in a part on, both as they were given.

    An end without a line feed is what a power cut leaves of a record that was being copied
    (`torn_bytes`), and no line.

    Raises:
        EvidenceRefused: a part cannot be read.
    """
    for part in list_parts(ledger):
        if part < from_part:
            continue
        offset_bytes = from_bytes if part == from_part else 0
        try:
            with part_path(ledger, part).open("rb") as file:
                file.seek(offset_bytes)
                while (line := file.readline(MAX_LINE_BYTES)).endswith(b"\n"):
                    yield line.removesuffix(b"\n"), part, offset_bytes
                    offset_bytes += len(line)
        except OSError as error:
            raise _refused(error.strerror or str(error), part_path(ledger, part)) from error


def torn_bytes(ledger: Path) -> int:
    """What stands behind the last whole line of the mirror."""
    parts = list_parts(ledger)
    if not parts:
        return 0
    line = last_line(part_path(ledger, parts[-1]))
    return 0 if line.endswith(b"\n") else len(line)


def segment_record(ledger: Path, part: int, offset_bytes: int) -> SegmentRecord | None:
    """The segment's record at a place that was read before."""
    try:
        with part_path(ledger, part).open("rb") as file:
            file.seek(offset_bytes)
            record = record_of(file.readline(MAX_LINE_BYTES))
    except OSError:
        return None
    body = None if record is None else record.body
    return body if isinstance(body, SegmentRecord) else None


def notes_in(ledger: Path) -> list[tuple[str, str]]:
    """The checkpoints that a store keeps itself: name and text."""
    found: list[tuple[str, str]] = []
    for name in ("checkpoint", "cosigned"):
        path = ledger / name
        if path.is_file():
            found.append((f"{_LEDGER_DIRECTORY}/{name}", read_text(path, _MAX_NOTE_BYTES)))
    return found


def pem_files(place: Place) -> list[bytes]:
    """PEM files beside a ledger and in a key directory, those that may be read."""
    found: list[bytes] = []
    for directory in (place.ledger, place.keys):
        if directory is None or not directory.is_dir():
            continue
        # Keys are for evidence's user alone: whoever cannot read them names certificates.
        found += [
            path.read_bytes()[:_MAX_PEM_BYTES]
            for path in sorted(directory.rglob("*.pem"))
            if os.access(path, os.R_OK) and path.is_file()
        ]
    return found


def read_text(path: Path, max_bytes: int = _MAX_PEM_BYTES) -> str:
    """A small text file named by a person.

    Raises:
        EvidenceRefused: it cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            return file.read(max_bytes).decode("utf-8")
    except OSError as error:
        raise _refused(error.strerror or str(error), path) from error
    except UnicodeDecodeError as error:
        raise _refused("it is not text", path) from error


def _lone_file(path: Path) -> Place:
    """A file; in a store, with its ledger and the files beside it."""
    number = _number(path)
    whole = path.resolve()
    if number is None:
        stream = Stream(path.name, None, (VideoFile(FileContent(path), path.name, None),))
        return Place((stream,), (), None, None, is_store=False)
    store = whole.parents[2] if len(whole.parents) > 2 else whole.parent
    is_store = whole.parents[1].name == _SEGMENTS_DIRECTORY and (store / _LEDGER_DIRECTORY).is_dir()
    camera_id = whole.parent.name if is_store else None
    prefix = f"{_SEGMENTS_DIRECTORY}/{camera_id}/" if is_store else ""
    files: list[VideoFile] = []
    for near in (number - 1, number, number + 1):
        beside = whole.parent / f"{near:08d}.mp4"
        if near == number or beside.is_file():
            content = FileContent(beside)
            files.append(VideoFile(content, f"{prefix}{beside.name}", near, near != number))
    stream = Stream(camera_id or path.name, camera_id, tuple(files))
    return Place(
        (stream,),
        (),
        store / _LEDGER_DIRECTORY if is_store else None,
        store / _KEYS_DIRECTORY if is_store else None,
        is_store=is_store,
        only=f"{prefix}{whole.name}",
    )


def _store(path: Path) -> Place:
    streams, strays = _streams(path / _SEGMENTS_DIRECTORY, f"{_SEGMENTS_DIRECTORY}/")
    ledger = path / _LEDGER_DIRECTORY
    return Place(
        streams,
        strays,
        ledger if ledger.is_dir() else None,
        path / _KEYS_DIRECTORY,
        is_store=ledger.is_dir(),
    )


def _streams(path: Path, prefix: str = "") -> tuple[tuple[Stream, ...], tuple[str, ...]]:
    """One stream for each directory with video in it, and what is something else."""
    streams: list[Stream] = []
    strays: list[str] = []
    if not path.is_dir():
        return (), ()
    below = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())
    for directory in [path, *below]:
        shown = prefix if directory == path else f"{prefix}{directory.name}/"
        files: list[VideoFile] = []
        for entry in sorted(directory.iterdir()):
            if directory == path and entry in below:
                continue
            is_video = entry.suffix.lower() in _VIDEO_SUFFIXES
            if entry.is_symlink() or not entry.is_file() or (prefix and _number(entry) is None):
                strays.append(f"{shown}{entry.name}")
            elif is_video:
                files.append(VideoFile(FileContent(entry), f"{shown}{entry.name}", _number(entry)))
        camera_id = directory.name if prefix and directory != path else None
        numbered = [file for file in files if file.number is not None]
        if numbered:
            streams.append(Stream(directory.name, camera_id, tuple(numbered)))
        streams += [Stream(f.shown, None, (f,)) for f in files if f.number is None]
    return tuple(streams), tuple(strays)


def _number(path: Path) -> int | None:
    named = _SEGMENT.fullmatch(path.name)
    return int(named[1]) if named else None


def _refused(what: str, path: Path) -> EvidenceRefused:
    return EvidenceRefused(
        what=what,
        which=str(path),
        remedy="name a segment, a clip, a directory of segments or a node's data_dir",
    )
