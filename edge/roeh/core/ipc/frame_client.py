"""Detect's end of the frame slots (core/ipc/slots.py).

Capture decodes what the network sends, so detect believes it nothing that could harm
it: the memory must be sealed against shrinking, and a slot must lie inside it.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import socket
from pathlib import Path

import msgspec

from roeh.core.errors import PeerGone
from roeh.core.ipc.frame_messages import (
    MAX_PACKET_BYTES,
    FrameOffered,
    FrameReleased,
    RingClosed,
    RingOpened,
    SoundHeard,
    ToDetect,
)
from roeh.core.types import Frame


class OfferedFrame:
    """A frame in a slot that is detect's until `release`; the memory is read only."""

    __slots__ = ("_link", "_offered", "info", "memory")

    def __init__(self, link: _Link, offered: FrameOffered, memory: memoryview) -> None:
        self.info: Frame = offered.frame
        self.memory = memory
        self._link: _Link | None = link
        self._offered = offered

    def release(self) -> None:
        """Give the slot back to the capture that offered it; a second time does nothing."""
        link, self._link = self._link, None
        if link is not None:
            link.release(self._offered)


class FrameClient:
    """Detect's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: _Link | None = None

    def next(self, timeout_s: float) -> OfferedFrame | None:
        """The next frame; None when there was none in time (0: only one that waits already).

        None comes sooner where sound was heard, and no frame waits.

        Raises:
            PeerGone: capture is not there; call again later to connect anew.
        """
        try:
            if self._link is None:
                self._link = _Link(self._path, timeout_s)
            return self._link.next(timeout_s)
        except (TimeoutError, BlockingIOError):
            return None
        except (OSError, EOFError, msgspec.DecodeError) as error:
            self.close()
            raise PeerGone(
                what=f"no frames ({type(error).__name__}: {error})",
                which=str(self._path),
                remedy="detection goes on when capture is back",
            ) from None

    def take_sound_db(self) -> float | None:
        """The loudest that came since the last time; None: nothing was heard."""
        if self._link is None:
            return None
        loudest_db, self._link.loudest_db = self._link.loudest_db, None
        return loudest_db

    def close(self) -> None:
        """Let the connection go, and every mapping that no frame in use needs."""
        if self._link is not None:
            self._link.close()
            self._link = None


class _MappedRing:
    """The slots of one camera, mapped read only."""

    def __init__(self, opened: RingOpened, descriptor: int) -> None:
        self._opened = opened
        if not fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
            raise EOFError("memory that may shrink was passed")
        size_bytes = opened.stride_bytes * opened.slot_count
        try:
            self._memory = mmap.mmap(descriptor, size_bytes, prot=mmap.PROT_READ)
        except (ValueError, OverflowError):
            raise EOFError("a ring larger than its memory was passed") from None

    def memory(self, offered: FrameOffered) -> memoryview:
        """The bytes of an offered slot."""
        opened = self._opened
        if not (
            0 <= offered.slot < opened.slot_count and 0 <= offered.size_bytes <= opened.slot_bytes
        ):
            raise EOFError("a slot outside the ring was offered")
        start = offered.slot * opened.stride_bytes
        return memoryview(self._memory)[start : start + offered.size_bytes]


class _Link:
    """One connection to one capture process, and what it passed.

    A frame belongs to its link: released after a new connection, it says nothing there.

    Attributes:
        loudest_db: of what was heard since somebody took it.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.loudest_db: float | None = None
        self._rings: dict[int, _MappedRing] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise

    def next(self, timeout_s: float) -> OfferedFrame:
        self._socket.settimeout(timeout_s)
        while True:
            packet, descriptors, _, _ = socket.recv_fds(
                self._socket, MAX_PACKET_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
            try:
                if not packet:
                    raise EOFError("capture ended")
                frame = self._take(packet, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            if frame is not None:
                return frame
            if self.loudest_db is not None:
                # Whoever waits for pictures in vain is to know of it.
                self._socket.settimeout(0.0)

    def release(self, offered: FrameOffered) -> None:
        """Give a slot back; silent when capture is gone, for then it has it anyway."""
        released = FrameReleased(offered.generation, offered.slot)
        try:
            self._socket.send(msgspec.msgpack.encode(released))
        except OSError:
            return

    def close(self) -> None:
        self._socket.close()
        self._rings.clear()

    def _take(self, packet: bytes, descriptors: list[int]) -> OfferedFrame | None:
        message: ToDetect = msgspec.msgpack.decode(packet, type=ToDetect)
        if isinstance(message, RingOpened):
            if not descriptors:
                raise EOFError("a ring without memory was passed")
            self._rings[message.generation] = _MappedRing(message, descriptors[0])
            return None
        if isinstance(message, SoundHeard):
            before_db = -math.inf if self.loudest_db is None else self.loudest_db
            self.loudest_db = max(message.level_db, before_db)
            return None
        ring = self._rings.get(message.generation)
        if ring is None:
            raise EOFError("a ring that was never passed was named")
        if isinstance(message, RingClosed):
            del self._rings[message.generation]
            return None
        return OfferedFrame(self, message, ring.memory(message))
