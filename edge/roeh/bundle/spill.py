"""What is put aside until it is needed: in memory while it is little, else in a nameless file.

So memory stays flat however long the video is.
"""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

_KEPT_BYTES: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 18
_LENGTH: Final = struct.Struct(">I")
_T = TypeVar("_T", bound=msgspec.Struct)


class Spill:
    """Bytes put aside in the order in which they come; read as often as wanted.

    Args:
        directory: where the file is made once there is more than fits into memory.
    """

    def __init__(self, directory: Path) -> None:
        self.size_bytes = 0
        # Closed by `close`: it lives longer than one function.
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=_KEPT_BYTES, dir=str(directory)
        )

    def add(self, content: bytes) -> None:
        """Put aside behind what is there.

        Raises:
            OSError: no room.
        """
        self._file.seek(self.size_bytes)
        self._file.write(content)
        self.size_bytes += len(content)

    def pieces(self) -> Iterator[bytes]:
        """All of it, from the beginning."""
        place = 0
        while place < self.size_bytes:
            self._file.seek(place)
            piece = self._file.read(min(_PIECE_BYTES, self.size_bytes - place))
            place += len(piece)
            yield piece

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """A part of it."""
        self._file.seek(offset_bytes)
        content: bytes = self._file.read(size_bytes)
        return content

    def close(self) -> None:
        """Let it go, and the file with it."""
        self._file.close()


class StructSpill(Generic[_T]):
    """Structs of one type put aside in the order in which they come."""

    def __init__(self, directory: Path, struct_type: type[_T]) -> None:
        self.count = 0
        self._spill = Spill(directory)
        self._decoder = msgspec.msgpack.Decoder(struct_type)

    def add(self, entry: _T) -> None:
        """Put aside behind the others.

        Raises:
            OSError: no room.
        """
        content = msgspec.msgpack.encode(entry)
        self._spill.add(_LENGTH.pack(len(content)) + content)
        self.count += 1

    def __iter__(self) -> Iterator[_T]:
        place = 0
        while place < self._spill.size_bytes:
            (length,) = _LENGTH.unpack(self._spill.read(place, _LENGTH.size))
            yield self._decoder.decode(self._spill.read(place + _LENGTH.size, length))
            place += _LENGTH.size + length

    def close(self) -> None:
        """Let them go."""
        self._spill.close()


class Spills(contextlib.ExitStack):
    """Makes them below one directory and lets all go together."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def bytes(self) -> Spill:
        """A new one for bytes."""
        return self.enter_context(contextlib.closing(Spill(self._directory)))

    def of(self, struct_type: type[_T]) -> StructSpill[_T]:
        """A new one for structs."""
        return self.enter_context(contextlib.closing(StructSpill(self._directory, struct_type)))
