"""Frames from capture to detect through sealed shared memory, without a copy in between.

A ring is `FRAMES.bound` slots in one memfd. A slot is free, or capture's while it
writes, or detect's from the doorbell until it is released. The memory cannot be
resized by anybody nor written by detect (memfd seals, fcntl(2)). When detect ends, its
slots are free again; when capture ends, detect keeps what it mapped and connects anew.

Lowest free slot first: the memory of slots that are never needed is never touched.
"""

from __future__ import annotations

import enum
import fcntl
import mmap
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.errors import PeerRefused, RoehError
from roeh.core.flows import FRAMES
from roeh.core.ipc.credentials import Users
from roeh.core.ipc.frame_client import FrameClient, OfferedFrame
from roeh.core.ipc.frame_messages import (
    MAX_PACKET_BYTES,
    SEALS,
    FrameOffered,
    FrameReleased,
    RingClosed,
    RingOpened,
    SoundHeard,
)
from roeh.core.ipc.listener import UnixListener
from roeh.core.peers import Role
from roeh.core.types import Frame

__all__ = ["FrameClient", "FrameRing", "FrameServer", "OfferedFrame"]


class _Owner(enum.Enum):
    """Whose a slot is."""

    NOBODY = enum.auto()
    CAPTURE = enum.auto()
    DETECT = enum.auto()


class FrameRing:
    """Capture's slots for one camera; `FrameServer.open_ring` makes it."""

    def __init__(
        self, server: FrameServer, camera_id: str, generation: int, slot_bytes: int
    ) -> None:
        self.camera_id = camera_id
        self.slot_bytes = slot_bytes
        self._server = server
        self._generation = generation
        self._owners = [_Owner.NOBODY] * FRAMES.bound
        self._closed = False
        # Whole pages: a picture starts where vector instructions like it.
        self._stride_bytes = -(-slot_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        size_bytes = self._stride_bytes * FRAMES.bound
        self._descriptor = os.memfd_create(
            f"roeh-{camera_id}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        )
        try:
            os.ftruncate(self._descriptor, size_bytes)
            self._memory = mmap.mmap(self._descriptor, size_bytes)
            # Sealed after capture's own mapping: every later mapping is read only.
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, SEALS)
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def generation(self) -> int:
        """Number of this ring among all that the process opened."""
        return self._generation

    def claim(self) -> int | None:
        """A slot to write into; None when detect has them all or is not there."""
        with self._server.lock:
            if self._closed or not self._server.connected or _Owner.NOBODY not in self._owners:
                return None
            slot = self._owners.index(_Owner.NOBODY)
            self._owners[slot] = _Owner.CAPTURE
            return slot

    def memory(self, slot: int) -> memoryview:
        """The slot's bytes, writable, while it is capture's."""
        start = slot * self._stride_bytes
        return memoryview(self._memory)[start : start + self.slot_bytes]

    def offer(self, slot: int, frame: Frame, size_bytes: int) -> bool:
        """Ring the doorbell: the slot is detect's until it is released.

        Returns:
            False when detect is gone: the slot is free.
        """
        if size_bytes > self.slot_bytes:
            raise ValueError(f"{size_bytes} bytes in a slot of {self.slot_bytes}")
        offered = FrameOffered(self._generation, slot, size_bytes, frame)
        with self._server.lock:
            if self._owners[slot] is not _Owner.CAPTURE:
                raise ValueError(f"slot {slot} is not capture's to offer")
            # One step for the lock: a detect that comes meanwhile gets the slot whole.
            sent = not self._closed and self._server.send(offered)
            self._owners[slot] = _Owner.DETECT if sent else _Owner.NOBODY
        return sent

    def give_back(self, slot: int) -> None:
        """A claimed slot that is not to be offered is free again."""
        with self._server.lock:
            if self._owners[slot] is _Owner.CAPTURE:
                self._owners[slot] = _Owner.NOBODY

    def close(self) -> None:
        """No more frames; detect keeps the slots that it holds."""
        with self._server.lock:
            if self._closed:
                return
            self._closed = True
            self._server.forget(self)
            os.close(self._descriptor)

    def released(self, slot: int) -> None:
        """Detect gives a slot back (the server calls, under its lock).

        Raises:
            PeerRefused: it was not detect's.
        """
        if not 0 <= slot < FRAMES.bound or self._owners[slot] is not _Owner.DETECT:
            raise PeerRefused(
                what=f"released slot {slot}, which it does not hold",
                which="detect",
                remedy="run the same version of roeh everywhere",
            )
        self._owners[slot] = _Owner.NOBODY

    def reclaim(self) -> None:
        """Detect ended: what it held is free (the server calls, under its lock)."""
        self._owners = [
            _Owner.NOBODY if owner is _Owner.DETECT else owner for owner in self._owners
        ]

    def announce(self, connection: socket.socket) -> None:
        """Tell detect of the ring and pass it the memory (the server calls)."""
        opened = RingOpened(
            self.camera_id, self._generation, self.slot_bytes, self._stride_bytes, FRAMES.bound
        )
        socket.send_fds(
            connection, [msgspec.msgpack.encode(opened)], [self._descriptor], socket.MSG_DONTWAIT
        )


class FrameServer:
    """Capture's end: one detect at a time.

    Attributes:
        lock: guards the connection and the owners of all slots.
    """

    def __init__(
        self, path: Path, users: Users, *, on_refused: Callable[[RoehError], None]
    ) -> None:
        self.lock = threading.RLock()
        self._users = users
        self._on_refused = on_refused
        self._rings: dict[int, FrameRing] = {}
        self._generations = 0
        self._closing = False
        self._connection: socket.socket | None = None
        self._listener = UnixListener(path, socket.SOCK_SEQPACKET)
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether a detect process is there."""
        return self._connection is not None

    def open_ring(self, camera_id: str, slot_bytes: int) -> FrameRing:
        """Slots for a camera whose pictures take `slot_bytes`."""
        with self.lock:
            self._generations += 1
            ring = FrameRing(self, camera_id, self._generations, slot_bytes)
            self._rings[ring.generation] = ring
            if self._connection is not None:
                try:
                    ring.announce(self._connection)
                except OSError:
                    self._hang_up()  # it learns of every ring when it connects anew
        return ring

    def forget(self, ring: FrameRing) -> None:
        """The ring is closed (the ring calls)."""
        self._rings.pop(ring.generation, None)
        self.send(RingClosed(ring.generation))

    def tell_sound(self, level_db: float) -> bool:
        """Tell detect how loud it was; False when it was not told."""
        return self.send(SoundHeard(level_db))

    def send(self, message: FrameOffered | RingClosed | SoundHeard) -> bool:
        """Send to detect without ever waiting for it; False when it is gone."""
        with self.lock:
            if self._connection is None:
                return False
            try:
                self._connection.send(msgspec.msgpack.encode(message), socket.MSG_DONTWAIT)
            except OSError:
                return False
        return True

    def close(self) -> None:
        """End the connection, stop listening, close every ring."""
        with self.lock:
            self._closing = True
            self._hang_up()
        self._listener.shut()
        self._thread.join()
        self._listener.close()
        for ring in tuple(self._rings.values()):
            ring.close()

    def _hang_up(self) -> None:
        if self._connection is not None:
            try:
                self._connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it had ended by itself

    def _accept(self) -> None:
        while (connection := self._listener.accept()) is not None:
            with connection:
                try:
                    self._users.check(connection, Role.DETECT)
                    self._serve(connection)
                except RoehError as error:
                    self._on_refused(error)
                except OSError:
                    continue  # detect ended: the same as an empty packet

    def _serve(self, connection: socket.socket) -> None:
        try:
            if not self._welcome(connection):
                return
            while packet := connection.recv(MAX_PACKET_BYTES):
                self._release(packet)
        finally:
            with self.lock:
                self._connection = None
                for ring in self._rings.values():
                    ring.reclaim()

    def _welcome(self, connection: socket.socket) -> bool:
        """Pass every ring; False when the server closes.

        A method of its own: the thread that serves must keep no ring alive.
        """
        with self.lock:
            if self._closing:
                return False
            self._connection = connection
            for ring in self._rings.values():
                ring.announce(connection)
        return True

    def _release(self, packet: bytes) -> None:
        try:
            released = msgspec.msgpack.decode(packet, type=FrameReleased)
        except (msgspec.DecodeError, RecursionError) as error:
            raise PeerRefused(
                what=f"sent what is not a release ({error})",
                which="detect",
                remedy="run the same version of roeh everywhere",
            ) from None
        with self.lock:
            ring = self._rings.get(released.generation)
            if ring is not None:  # a closed ring's slots are nobody's any more
                ring.released(released.slot)
