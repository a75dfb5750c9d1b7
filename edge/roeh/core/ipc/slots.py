"""Frames from capture to detect through sealed shared memory, without a copy in between.

A ring is `FRAMES.bound` slots in one memfd. A slot is free, or capture's while it
writes, or detect's from the doorbell until it is released. The memory cannot be
resized by anybody nor written by detect (memfd seals, fcntl(2)). When detect ends, its
slots are free again; when capture ends, detect keeps what it mapped and connects anew.

Lowest free slot first: the memory of slots that are never needed is never touched.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.errors import PeerGone, PeerRefused, RoehError
from roeh.core.flows import FRAMES
from roeh.core.ipc.credentials import Users, bind_unix_socket
from roeh.core.peers import Role
from roeh.core.types import Frame

# fcntl(2); Python names them only from 3.9 (future write: never).
_F_ADD_SEALS = 1033
_SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 0x1, 0x2, 0x4, 0x10
_MAX_PACKET_BYTES = 65536


class _RingOpened(msgspec.Struct, frozen=True, tag=True):
    """Capture to detect, with the memory's descriptor: a camera's slots."""

    camera_id: str
    generation: int
    slot_bytes: int
    slot_count: int


class _FrameOffered(msgspec.Struct, frozen=True, tag=True):
    """The doorbell: this slot is detect's now."""

    generation: int
    slot: int
    size_bytes: int
    frame: Frame


class _FrameReleased(msgspec.Struct, frozen=True, tag=True):
    """Detect to capture: the slot is free."""

    generation: int
    slot: int


_ToDetect = _RingOpened | _FrameOffered


class FrameRing:
    """Capture's slots for one camera."""

    def __init__(
        self, server: FrameServer, camera_id: str, generation: int, slot_bytes: int
    ) -> None:
        self.camera_id = camera_id
        self.slot_bytes = slot_bytes
        self._server = server
        self._generation = generation
        self._free = set(range(FRAMES.bound))
        self._lock = threading.Lock()
        size_bytes = slot_bytes * FRAMES.bound
        self._descriptor = os.memfd_create(
            f"roeh-{camera_id}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        )
        os.ftruncate(self._descriptor, size_bytes)
        self._memory = mmap.mmap(self._descriptor, size_bytes)
        # Sealed after capture's own mapping: every later mapping is read only.
        fcntl.fcntl(
            self._descriptor,
            _F_ADD_SEALS,
            _SEAL_SHRINK | _SEAL_GROW | _SEAL_FUTURE_WRITE | _SEAL_SEAL,
        )

    def claim(self) -> int | None:
        """A slot to write into; None when detect has them all or is not there."""
        if not self._server.connected:
            return None
        with self._lock:
            if not self._free:
                return None
            slot = min(self._free)
            self._free.discard(slot)
            return slot

    def memory(self, slot: int) -> memoryview:
        """The slot's bytes, writable, while it is capture's."""
        start = slot * self.slot_bytes
        return memoryview(self._memory)[start : start + self.slot_bytes]

    def offer(self, slot: int, frame: Frame, size_bytes: int) -> None:
        """Ring the doorbell: the slot is detect's until it is released."""
        offered = _FrameOffered(self._generation, slot, size_bytes, frame)
        if not self._server.send(offered):
            self.give_back(slot)

    def give_back(self, slot: int) -> None:
        """The slot is free again."""
        with self._lock:
            self._free.add(slot)

    def close(self) -> None:
        """No more frames; detect keeps the slots that it holds."""
        self._server.forget(self)
        os.close(self._descriptor)

    @property
    def generation(self) -> int:
        """Number of this ring among all that the process opened."""
        return self._generation

    def announcement(self) -> tuple[bytes, int]:
        """What detect is told of the ring, and the descriptor that goes with it."""
        opened = _RingOpened(self.camera_id, self._generation, self.slot_bytes, FRAMES.bound)
        return msgspec.msgpack.encode(opened), self._descriptor

    def reclaim_all(self) -> None:
        """Detect ended: every slot is free."""
        with self._lock:
            self._free = set(range(FRAMES.bound))


class FrameServer:
    """Capture's end: one detect at a time."""

    def __init__(
        self, path: Path, users: Users, *, on_refused: Callable[[RoehError], None]
    ) -> None:
        self._path = path
        self._users = users
        self._on_refused = on_refused
        self._lock = threading.RLock()
        self._rings: dict[int, FrameRing] = {}
        self._generations = 0
        self._connection: socket.socket | None = None
        self._listener = bind_unix_socket(path, socket.SOCK_SEQPACKET)
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether a detect process is there."""
        return self._connection is not None

    def open_ring(self, camera_id: str, slot_bytes: int) -> FrameRing:
        """Slots for a camera whose pictures take `slot_bytes`."""
        with self._lock:
            self._generations += 1
            ring = FrameRing(self, camera_id, self._generations, slot_bytes)
            self._rings[ring.generation] = ring
            if self._connection is not None:
                self._announce(self._connection, ring)
        return ring

    def forget(self, ring: FrameRing) -> None:
        """The ring is closed."""
        with self._lock:
            self._rings.pop(ring.generation, None)

    def send(self, offered: _FrameOffered) -> bool:
        """Send a doorbell; False when detect is gone."""
        with self._lock:
            if self._connection is None:
                return False
            try:
                self._connection.send(msgspec.msgpack.encode(offered))
            except OSError:
                return False
        return True

    def close(self) -> None:
        """End the connection and stop listening."""
        for open_socket in (self._listener, self._connection):
            if open_socket is not None:
                try:
                    open_socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it had ended by itself
        self._thread.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._users.check(connection, Role.DETECT)
                    self._serve(connection)
                except RoehError as error:
                    self._on_refused(error)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            for ring in self._rings.values():
                self._announce(connection, ring)
            self._connection = connection
        try:
            while packet := connection.recv(_MAX_PACKET_BYTES):
                self._release(packet)
        except OSError:
            pass  # detect ended: the same as an empty packet
        finally:
            with self._lock:
                self._connection = None
                for ring in self._rings.values():
                    ring.reclaim_all()

    def _release(self, packet: bytes) -> None:
        try:
            released = msgspec.msgpack.decode(packet, type=_FrameReleased)
        except msgspec.DecodeError as error:
            raise PeerRefused(
                what=f"sent what is not a release ({error})",
                which="detect",
                remedy="run the same version of roeh everywhere",
            ) from None
        with self._lock:
            ring = self._rings.get(released.generation)
            if ring is not None and 0 <= released.slot < FRAMES.bound:
                ring.give_back(released.slot)

    def _announce(self, connection: socket.socket, ring: FrameRing) -> None:
        message, descriptor = ring.announcement()
        socket.send_fds(connection, [message], [descriptor])


class OfferedFrame:
    """A frame in a slot that is detect's until `release`."""

    __slots__ = ("_client", "_generation", "_slot", "info", "memory")

    def __init__(
        self, client: FrameClient, generation: int, slot: int, info: Frame, memory: memoryview
    ) -> None:
        self.info = info
        self.memory = memory
        self._client = client
        self._generation = generation
        self._slot = slot

    def release(self) -> None:
        """Give the slot back to capture."""
        self._client.release(self._generation, self._slot)


class _MappedRing:
    def __init__(self, opened: _RingOpened, descriptor: int) -> None:
        self.slot_bytes = opened.slot_bytes
        self.slot_count = opened.slot_count
        size_bytes = opened.slot_bytes * opened.slot_count
        self.memory = mmap.mmap(descriptor, size_bytes, prot=mmap.PROT_READ)


class FrameClient:
    """Detect's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._rings: dict[int, _MappedRing] = {}

    def next(self, timeout_s: float) -> OfferedFrame | None:
        """The next frame; None when there was none in time (0: only one that waits already).

        Raises:
            PeerGone: capture is not there; call again later to connect anew.
        """
        try:
            connection = self._connected()
            connection.settimeout(timeout_s)
            while True:
                packet, descriptors, _, _ = socket.recv_fds(connection, _MAX_PACKET_BYTES, 1)
                if not packet:
                    raise EOFError
                frame = self._take(packet, descriptors)
                if frame is not None:
                    return frame
        except (TimeoutError, BlockingIOError):
            return None
        except (OSError, EOFError, msgspec.DecodeError):
            self.close()
            raise PeerGone(
                what="no frames",
                which=str(self._path),
                remedy="detection goes on when capture is back",
            ) from None

    def release(self, generation: int, slot: int) -> None:
        """Give a slot back; silent when capture is gone, for then it has it anyway."""
        if self._socket is None:
            return
        try:
            self._socket.send(msgspec.msgpack.encode(_FrameReleased(generation, slot)))
        except OSError:
            return

    def close(self) -> None:
        """Let the connection and every mapping go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._rings.clear()

    def _take(self, packet: bytes, descriptors: list[int]) -> OfferedFrame | None:
        message = msgspec.msgpack.decode(packet, type=_ToDetect)
        if isinstance(message, _RingOpened):
            self._rings[message.generation] = _MappedRing(message, descriptors[0])
            os.close(descriptors[0])
            return None
        ring = self._rings[message.generation]
        start = message.slot * ring.slot_bytes
        memory = memoryview(ring.memory)[start : start + message.size_bytes]
        return OfferedFrame(self, message.generation, message.slot, message.frame, memory)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket
