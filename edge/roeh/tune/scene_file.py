"""Scenes on a disk: appended block by block, read again to the last whole one.

A block is its length and its CRC-32 (4 bytes each, big-endian) and zlib's compression of a
MessagePack array of scenes. Whatever ended the writing (a signal, the power), what was written
before is there; a torn last block is cut off when it is opened again.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.durable_files import write_all
from roeh.core.errors import OutputRefused
from roeh.vision.scene import Scene

_HEAD = struct.Struct(">II")
#: Ten seconds at five pictures a second; a kill costs no more than that.
_SCENES_PER_BLOCK = 50
_MAX_BLOCK_BYTES = 64 << 20
_MAX_SCENES_BYTES = 512 << 20
#: Tracks of persons are for nobody but who made them.
_FILE_MODE = 0o600
#: A moment without anybody is looked for so far before the end.
_QUIET_WITHIN_NS = 600 * NS_PER_S


class Stand(msgspec.Struct, frozen=True):
    """Up to where scenes are kept.

    Attributes:
        boot_id, t_mono_ns: of the last of them.
        last_track_id: the highest of its boot; 0: nobody was tracked.
        last_object: likewise, the highest number of a still object.
    """

    boot_id: str
    t_mono_ns: int
    last_track_id: int
    last_object: int


class SceneFile:
    """Scenes being written; a context manager. What is left unwritten at its end is written.

    Args:
        path: of the file; what is in it stays.
        per_block: how many are written at once.

    Raises:
        OutputRefused: the file cannot be written.
    """

    def __init__(self, path: Path, *, per_block: int = _SCENES_PER_BLOCK) -> None:
        self._path = path
        self._per_block = per_block
        self._waiting: list[Scene] = []
        self._encode = msgspec.msgpack.Encoder().encode
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, _FILE_MODE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise OutputRefused(
                what="another roeh tune looks at footage for it",
                which=str(path),
                remedy="wait for that one, or name another directory with --save-tracks",
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from None

    def __enter__(self) -> SceneFile:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._flush()
        finally:
            os.close(self._descriptor)

    def resume(self) -> Stand | None:
        """Cut off what is torn, and what lies behind the last moment without anybody; None: begin.

        Who was tracked when it ended cannot be followed on from there: the tracker's memory is
        gone. So it begins again where nobody was, if that was in the last ten minutes.
        """
        ends: deque[tuple[int, Scene]] = deque()
        last_ids: Counter[str] = Counter()
        last_objects: Counter[str] = Counter()
        for end_bytes, scenes in read_blocks(self._path):
            last = scenes[-1]
            ends.append((end_bytes, last))
            while last.frame.t_mono_ns - ends[0][1].frame.t_mono_ns > _QUIET_WITHIN_NS:
                ends.popleft()
            for scene in scenes:
                boot_id = scene.frame.boot_id
                ids = [track.id for track in scene.tracks]
                last_ids[boot_id] = max(last_ids[boot_id], *ids, 0)
                numbers = [still.number for still in scene.still_objects]
                last_objects[boot_id] = max(last_objects[boot_id], *numbers, 0)
        if not ends:
            self._cut_to(0)
            return None
        newest = ends[-1][1].frame
        quiet = (
            (end_bytes, scene)
            for end_bytes, scene in reversed(ends)
            if scene.frame.boot_id == newest.boot_id and not scene.tracks
        )
        end_bytes, scene = next(quiet, ends[-1])
        self._cut_to(end_bytes)
        frame = scene.frame
        boot_id = frame.boot_id
        return Stand(boot_id, frame.t_mono_ns, last_ids[boot_id], last_objects[boot_id])

    def append(self, scene: Scene) -> None:
        """Keep one more, in the order of their times."""
        self._waiting.append(scene)
        if len(self._waiting) >= self._per_block:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        content = zlib.compress(self._encode(self._waiting), 1)
        self._waiting = []
        try:
            write_all(self._descriptor, _HEAD.pack(len(content), zlib.crc32(content)) + content)
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def _cut_to(self, size_bytes: int) -> None:
        try:
            os.ftruncate(self._descriptor, size_bytes)
            os.lseek(self._descriptor, size_bytes, os.SEEK_SET)
        except OSError as error:
            raise _unwritable(self._path, error) from None


def read_scenes(path: Path) -> Iterator[Scene]:
    """Every scene that is kept, in order; nothing of a torn block."""
    for _, scenes in read_blocks(path):
        yield from scenes


def read_blocks(path: Path) -> Iterator[tuple[int, tuple[Scene, ...]]]:
    """Whole blocks, each with where it ends in the file.

    Raises:
        OutputRefused: they are none of this release.
    """
    decoder = msgspec.msgpack.Decoder(tuple[Scene, ...])
    end_bytes = 0
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                return
            size_bytes, crc = _HEAD.unpack(head)
            if size_bytes > _MAX_BLOCK_BYTES:
                return
            content = file.read(size_bytes)
            if len(content) < size_bytes or zlib.crc32(content) != crc:
                return
            end_bytes += _HEAD.size + size_bytes
            try:
                scenes = zlib.decompressobj().decompress(content, _MAX_SCENES_BYTES)
                block = decoder.decode(scenes)
            except (zlib.error, msgspec.DecodeError):
                raise OutputRefused(
                    what="holds no tracks of this release",
                    which=str(path),
                    remedy="name another directory with --save-tracks, or remove this one",
                ) from None
            yield end_bytes, block


def _unwritable(path: Path, error: OSError) -> OutputRefused:
    return OutputRefused(
        what=f"cannot be written ({error.strerror})",
        which=str(path),
        remedy="name a directory with room, that this user can write",
    )
