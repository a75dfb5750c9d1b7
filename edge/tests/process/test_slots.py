"""Frames in shared memory: whose a slot is, whatever ends when, and who can touch what."""

import contextlib
import ctypes
import fcntl
import hashlib
import mmap
import os
import random
import signal
import socket
from pathlib import Path

import msgspec
import pytest

from roeh.capture.sound import SoundTeller
from roeh.core.clock import process_cpu_ns
from roeh.core.errors import PeerGone
from roeh.core.flows import FRAMES
from roeh.core.ipc.credentials import Users
from roeh.core.ipc.frame_messages import (
    SEALS,
    FrameOffered,
    FrameReleased,
    RingOpened,
)
from roeh.core.ipc.slots import FrameClient, FrameServer
from roeh.core.peers import Role
from roeh.core.types import Frame
from tests.process.children import CLOCK, CONTEXT, NOBODY_UID, PATIENCE_S, kill, start
from tests.waiting import wait_until

SLOT_BYTES = 30_000  # not a whole number of pages


def frame_info(seq=1, camera_id="north"):
    return Frame(camera_id, seq, seq * 100, seq * 200, 5, "boot", 100, 100, "bgr24")


def pixels(seq, size_bytes=SLOT_BYTES):
    return random.Random(seq).randbytes(size_bytes)


class Capture:
    """Capture's end, in this process."""

    def __init__(self, directory, users=None):
        self.path = directory / "frames.sock"
        self.refused = []
        self.server = FrameServer(self.path, Users(users or {}), on_refused=self.refused.append)
        self.ring = self.server.open_ring("north", SLOT_BYTES)

    def offer(self, seq=1):
        """Offer a picture; its slot, None when there is no free one."""
        slot = self.ring.claim()
        if slot is not None:
            self.ring.memory(slot)[:] = pixels(seq)
            assert self.ring.offer(slot, frame_info(seq), SLOT_BYTES)
        return slot

    def free_slots(self):
        """How many slots are free: claims them and gives them back."""
        claimed = []
        while (slot := self.ring.claim()) is not None:
            claimed.append(slot)
        for slot in claimed:
            self.ring.give_back(slot)
        return len(claimed)


@pytest.fixture
def capture(short_directory):
    capture = Capture(short_directory)
    yield capture
    capture.server.close()


@pytest.fixture
def detect(capture):
    """A detect in this process, connected."""
    client = FrameClient(capture.path)
    assert client.next(0.0) is None
    wait_until(lambda: capture.server.connected)
    yield client
    client.close()


def claimed(ring):
    """A slot to write into, as soon as there is one."""
    found = []

    def claim():
        slot = ring.claim()
        found.append(slot)
        return slot is not None

    wait_until(claim)
    return found[-1]


def descriptors():
    """What this process has open: number and thing. Those that earlier tests left may go."""
    opened = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            opened.add((entry.name, str(entry.readlink())))
    return opened


def mappings():
    """Mapped rings of this process."""
    return Path("/proc/self/maps").read_text().count("memfd:roeh-")


# Ownership


def test_a_slot_is_detects_from_the_doorbell_until_it_is_released(capture, detect):
    assert capture.offer(seq=7) == 0
    frame = detect.next(PATIENCE_S)
    assert frame.info == frame_info(7)
    assert bytes(frame.memory) == pixels(7)
    assert capture.ring.claim() == 1
    frame.release()
    wait_until(lambda: capture.free_slots() == FRAMES.bound - 1)
    capture.ring.give_back(1)
    assert capture.free_slots() == FRAMES.bound


def test_nothing_is_offered_while_there_is_no_free_slot(capture, detect):
    assert [capture.offer(seq) for seq in range(FRAMES.bound + 2)] == [0, 1, 2, 3, None, None]
    frames = [detect.next(PATIENCE_S) for _ in range(FRAMES.bound)]
    assert detect.next(0.0) is None
    frames[2].release()
    assert wait_until(lambda: capture.offer(seq=9)) == 2
    assert bytes(detect.next(PATIENCE_S).memory) == pixels(9)
    assert [bytes(frame.memory) for frame in (*frames[:2], frames[3])] == [
        pixels(0),
        pixels(1),
        pixels(3),
    ]


def test_the_memory_of_slots_that_are_never_needed_is_never_touched(capture, detect):
    for seq in range(20):
        assert capture.offer(seq) == 0
        detect.next(PATIENCE_S).release()
        wait_until(lambda: capture.free_slots() == FRAMES.bound)


def test_a_slot_that_was_not_claimed_is_not_offered(capture, detect):
    with pytest.raises(ValueError, match="not capture's"):
        capture.ring.offer(0, frame_info(), SLOT_BYTES)


def test_without_a_detect_nothing_is_offered(capture):
    assert capture.ring.claim() is None


def test_releasing_twice_is_harmless(capture, detect):
    capture.offer(seq=1)
    frame = detect.next(PATIENCE_S)
    frame.release()
    wait_until(lambda: capture.free_slots() == FRAMES.bound)
    capture.offer(seq=2)
    second = detect.next(PATIENCE_S)
    frame.release()
    assert capture.ring.claim() == 1
    assert bytes(second.memory) == pixels(2)
    assert capture.refused == []


def test_pictures_arrive_exactly_from_several_cameras(capture, detect):
    rings = {"north": capture.ring, "south": capture.server.open_ring("south", 4096)}
    seen = []
    for seq in range(60):
        camera_id = random.Random(seq).choice(sorted(rings))
        ring = rings[camera_id]
        size_bytes = random.Random(seq).randrange(1, ring.slot_bytes)
        slot = claimed(ring)
        ring.memory(slot)[:size_bytes] = pixels(seq, size_bytes)
        ring.offer(slot, frame_info(seq, camera_id), size_bytes)
        frame = detect.next(PATIENCE_S)
        seen.append((frame.info.seq, frame.info.camera_id))
        assert bytes(frame.memory) == pixels(seq, size_bytes)
        frame.release()
    assert [seq for seq, _ in seen] == list(range(60))


def test_a_picture_larger_than_its_slot_is_never_offered(capture, detect):
    slot = capture.ring.claim()
    with pytest.raises(ValueError, match="in a slot of"):
        capture.ring.offer(slot, frame_info(), SLOT_BYTES + 1)


# What ends


def hold_everything(path, held):
    client = FrameClient(path)
    frames = []
    while len(frames) < FRAMES.bound:
        with contextlib.suppress(PeerGone):
            frame = client.next(PATIENCE_S)
            frames.append(frame)
            held.release()
    signal.pause()


def test_a_detect_killed_with_all_slots_gives_all_of_them_back(capture, short_directory):
    held = CONTEXT.Semaphore(0)
    process = start(hold_everything, capture.path, held)
    wait_until(lambda: capture.server.connected)
    for seq in range(FRAMES.bound):
        assert capture.offer(seq) == seq
        assert held.acquire(timeout=PATIENCE_S)
    assert capture.offer() is None
    kill(process)
    wait_until(lambda: not capture.server.connected)
    with contextlib.closing(FrameClient(capture.path)) as detect:
        assert detect.next(0.0) is None
        wait_until(lambda: capture.server.connected)
        assert capture.free_slots() == FRAMES.bound
        assert capture.offer(seq=5) == 0
        assert bytes(detect.next(PATIENCE_S).memory) == pixels(5)


def test_a_slot_being_written_stays_captures_when_detect_ends_and_another_comes(capture, detect):
    slot = capture.ring.claim()
    detect.close()
    wait_until(lambda: not capture.server.connected)
    with contextlib.closing(FrameClient(capture.path)) as successor:
        assert successor.next(0.0) is None
        wait_until(lambda: capture.server.connected)
        assert capture.ring.claim() == slot + 1
        capture.ring.memory(slot)[:] = pixels(8)
        assert capture.ring.offer(slot, frame_info(8), SLOT_BYTES)
        frame = successor.next(PATIENCE_S)
        assert capture.ring.claim() == slot + 2
        assert bytes(frame.memory) == pixels(8)


def test_offering_to_a_detect_that_has_gone_frees_the_slot(capture, detect):
    slot = capture.ring.claim()
    detect.close()
    wait_until(lambda: not capture.server.connected)
    assert not capture.ring.offer(slot, frame_info(), SLOT_BYTES)
    with contextlib.closing(FrameClient(capture.path)) as successor:
        assert successor.next(0.0) is None
        wait_until(lambda: capture.server.connected)
        assert capture.free_slots() == FRAMES.bound


def capture_until_killed(directory, first_seq):
    capture = Capture(directory)
    seq = first_seq
    while True:
        if capture.offer(seq) is not None:
            seq += 1
        CLOCK.wait(0.002)


def next_frame(client):
    """The next frame, however often the connection has to be made anew."""

    def found():
        with contextlib.suppress(PeerGone):
            return client.next(0.1)

    return wait_until(found)


def end_of(client):
    """What was offered before the end is still delivered; then capture is gone."""
    while True:
        client.next(PATIENCE_S)


def test_when_capture_is_killed_detect_keeps_its_frame_and_connects_anew(short_directory):
    client = FrameClient(short_directory / "frames.sock")
    with pytest.raises(PeerGone, match="no frames"):
        client.next(0.0)
    first = start(capture_until_killed, short_directory, 0)
    held = next_frame(client)
    kill(first)
    with pytest.raises(PeerGone):
        end_of(client)
    assert bytes(held.memory) == pixels(held.info.seq)

    second = start(capture_until_killed, short_directory, 1000)
    frames = [next_frame(client)]
    assert frames[0].info.seq >= 1000
    # A frame of the dead capture says nothing to the living one.
    held.release()
    frames += [next_frame(client) for _ in range(FRAMES.bound - 1)]
    assert client.next(0.05) is None
    for frame in frames:
        assert bytes(frame.memory) == pixels(frame.info.seq)
    kill(second)
    client.close()


def test_a_ring_closed_and_opened_anew_is_let_go_by_detect(capture, detect):
    capture.offer(seq=1)
    held = detect.next(PATIENCE_S)
    both_ends = mappings()
    for size_bytes in (1000, 2000, 3000):
        capture.ring.close()
        assert capture.ring.claim() is None
        capture.ring = capture.server.open_ring("north", size_bytes)
        slot = capture.ring.claim()
        capture.ring.offer(slot, frame_info(), size_bytes)
        detect.next(PATIENCE_S).release()
        wait_until(lambda: capture.free_slots() == FRAMES.bound)
    assert bytes(held.memory) == pixels(1)
    assert mappings() == both_ends + 1  # the held frame's is the one that is left over
    held.release()
    del held
    assert mappings() == both_ends


def test_closing_ends_at_once_and_leaves_neither_descriptors_nor_socket(short_directory):
    before, mapped = descriptors(), mappings()
    capture = Capture(short_directory)
    first, second = FrameClient(capture.path), FrameClient(capture.path)
    assert first.next(0.0) is None
    wait_until(lambda: capture.server.connected)
    assert second.next(0.0) is None  # waits until the first one goes
    capture.offer()
    started_ns = CLOCK.mono_ns()
    capture.server.close()
    assert CLOCK.mono_ns() - started_ns < 2e9
    assert not capture.path.exists()
    capture.ring.close()
    assert capture.ring.claim() is None
    first.close()
    second.close()
    del capture.ring, first, second
    assert descriptors() <= before
    assert mappings() <= mapped


# Who can touch what


def passed_memory(path):
    """The descriptor that capture passes to detect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(path))
        _, passed, _, _ = socket.recv_fds(peer, 65536, 1)
    return passed[0]


def test_detect_can_neither_write_nor_resize_the_memory(capture):
    capture.ring.close()
    capture.ring = capture.server.open_ring("north", 4096)
    descriptor = passed_memory(capture.path)
    size_bytes = os.fstat(descriptor).st_size
    attempts = [
        lambda: mmap.mmap(descriptor, size_bytes),
        lambda: mmap.mmap(descriptor, size_bytes, prot=mmap.PROT_WRITE),
        lambda: os.pwrite(descriptor, b"x", 0),
        lambda: os.ftruncate(descriptor, size_bytes - 1),
        lambda: os.ftruncate(descriptor, size_bytes + 1),
        lambda: fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
    ]
    for attempt in attempts:
        with pytest.raises(PermissionError):
            attempt()
    reopened = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    with pytest.raises(PermissionError):
        os.pwrite(reopened, b"x", 0)
    os.close(reopened)

    # Nor can a mapping made for reading be turned into one for writing.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    address = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    assert libc.mprotect(address, 4096, mmap.PROT_READ | mmap.PROT_WRITE) == -1
    libc.munmap(address, 4096)
    os.close(descriptor)


def test_a_frames_memory_is_read_only_in_python_too(capture, detect):
    capture.offer()
    frame = detect.next(PATIENCE_S)
    assert frame.memory.readonly
    frame.release()


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage",
        b"\x91" * 4000,
        msgspec.msgpack.encode(FrameReleased(1, 0)),
        msgspec.msgpack.encode(FrameReleased(1, -1)),
        msgspec.msgpack.encode(FrameReleased(1, 99)),
        msgspec.msgpack.encode(FrameOffered(1, 0, 1, frame_info())),
    ],
    ids=repr,
)
def test_a_detect_that_does_not_speak_the_protocol_is_turned_away(capture, sent):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(capture.path))
        wait_until(lambda: capture.server.connected)
        being_written = capture.ring.claim()
        peer.send(sent)
        while peer.recv(65536):
            pass
    assert [error.code for error in capture.refused] == ["PEER_REFUSED"]
    with contextlib.closing(FrameClient(capture.path)) as detect:
        assert detect.next(0.0) is None
        wait_until(lambda: capture.server.connected)
        assert capture.free_slots() == FRAMES.bound - 1
        capture.ring.give_back(being_written)
        capture.offer(seq=3)
        assert bytes(detect.next(PATIENCE_S).memory) == pixels(3)


def look_at_frames(path, outcomes):
    with contextlib.closing(FrameClient(path)) as client:
        try:
            outcomes.put(f"got {client.next(PATIENCE_S)}")
        except PeerGone:
            outcomes.put("turned away")


def test_another_user_gets_no_frame(as_root, capture):
    outcomes = CONTEXT.Queue()
    process = start(look_at_frames, capture.path, outcomes, uid=NOBODY_UID)
    assert outcomes.get(timeout=PATIENCE_S) == "turned away"
    process.join(PATIENCE_S)
    outcomes.close()
    outcomes.join_thread()
    assert f"user id {NOBODY_UID} may not act as detect" in capture.refused[0].what


def test_the_user_of_detect_gets_frames(as_root, short_directory):
    capture = Capture(short_directory, users={Role.DETECT: "nobody"})
    outcomes = CONTEXT.Queue()
    process = start(look_at_frames, capture.path, outcomes, uid=NOBODY_UID)
    wait_until(lambda: capture.server.connected)
    capture.offer()
    assert outcomes.get(timeout=PATIENCE_S).startswith("got ")
    process.join(PATIENCE_S)
    outcomes.close()
    outcomes.join_thread()
    capture.server.close()


def memory_file(size_bytes, seals=SEALS):
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size_bytes)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


OPENED = RingOpened("north", 1, 4096, 4096, 4)


@pytest.mark.parametrize(
    ("messages", "memory"),
    [
        ([b"garbage"], None),
        ([OPENED], None),
        ([OPENED], "/dev/null"),
        ([OPENED], (16384, fcntl.F_SEAL_SEAL)),
        ([OPENED], (8192, SEALS)),
        ([RingOpened("north", 1, 2**62, 2**62, 4)], (16384, SEALS)),
        ([RingOpened("north", 1, 4096, -4096, 4)], (16384, SEALS)),
        ([OPENED, FrameOffered(1, 4, 100, frame_info())], (16384, SEALS)),
        ([OPENED, FrameOffered(1, -1, 100, frame_info())], (16384, SEALS)),
        ([OPENED, FrameOffered(1, 0, 4097, frame_info())], (16384, SEALS)),
        ([OPENED, FrameOffered(2, 0, 100, frame_info())], (16384, SEALS)),
    ],
    ids=[
        "garbage",
        "ring-without-memory",
        "memory-that-is-a-device",
        "memory-that-may-shrink",
        "memory-too-small",
        "ring-immense",
        "ring-negative",
        "slot-too-high",
        "slot-negative",
        "picture-too-large",
        "ring-never-passed",
    ],
)
def test_detect_believes_no_capture_that_could_harm_it(short_directory, messages, memory):
    path = short_directory / "frames.sock"
    before, mapped = descriptors(), mappings()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        client = FrameClient(path)
        assert client.next(0.0) is None
        peer, _ = listener.accept()
        with peer:
            passed = []
            if isinstance(memory, str):
                passed = [os.open(memory, os.O_RDWR)]
            elif memory is not None:
                passed = [memory_file(*memory)]
            for message in messages:
                packet = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
                socket.send_fds(peer, [packet], passed if message is messages[0] else [])
            for descriptor in passed:
                os.close(descriptor)
            with pytest.raises(PeerGone):
                client.next(PATIENCE_S)
    client.close()
    assert descriptors() <= before
    assert mappings() <= mapped


# What it costs


def take_frames(path, count, costs):
    taken, digest, before_ns = 0, hashlib.sha256(), process_cpu_ns()
    with contextlib.closing(FrameClient(path)) as client:
        while taken < count:
            frame = client.next(PATIENCE_S)
            digest.update(frame.memory[:16])
            frame.release()
            taken += 1
        costs.put(((process_cpu_ns() - before_ns) / count, digest.hexdigest()))


def test_handing_a_frame_over_costs_little(capture):
    count, size_bytes = 500, 2048 * 2048 * 3 // 2
    ring = capture.server.open_ring("fisheye", size_bytes)
    costs, digest = CONTEXT.Queue(), hashlib.sha256()
    process = start(take_frames, capture.path, count, costs)
    wait_until(lambda: capture.server.connected)
    before_ns = process_cpu_ns()
    for seq in range(count):
        slot = claimed(ring)
        mark = seq.to_bytes(16, "big")
        ring.memory(slot)[:16] = mark
        ring.offer(slot, frame_info(seq, "fisheye"), size_bytes)
        digest.update(mark)
    spent_ns = process_cpu_ns() - before_ns
    taken_ns, seen = costs.get(timeout=PATIENCE_S)
    process.join(PATIENCE_S)
    costs.close()
    costs.join_thread()
    assert seen == digest.hexdigest()
    cost_ms = (spent_ns / count + taken_ns) / 1e6
    assert cost_ms <= 0.5  # 0.16 is the goal; a shared machine counts up to thrice as much


def test_the_loudest_since_it_was_taken_comes_with_frames_and_without(capture, detect):
    assert detect.take_sound_db() is None
    for level_db in (50.0, 93.5, 61.0):
        capture.server.tell_sound(level_db)
    # With a frame that nobody looks at it is not forgotten.
    capture.offer()
    offered = detect.next(PATIENCE_S)
    offered.release()
    assert detect.take_sound_db() == 93.5
    assert detect.take_sound_db() is None
    # Whoever waits for frames that do not come is woken for it.
    capture.server.tell_sound(70.0)
    assert detect.next(PATIENCE_S) is None
    assert detect.take_sound_db() == 70.0


def test_sound_does_not_hide_a_newer_frame_that_waits(capture, detect):
    capture.offer(1)
    capture.server.tell_sound(70.0)
    capture.offer(2)
    seen = [detect.next(PATIENCE_S), detect.next(0.0), detect.next(0.0)]
    assert [frame and frame.info.seq for frame in seen] == [1, 2, None]


def test_what_no_detect_was_there_to_hear_is_forgotten(capture):
    teller = SoundTeller(capture.server)
    for _ in range(40):
        teller.hear(120.0)
    client = FrameClient(capture.path)
    assert client.next(0.0) is None
    wait_until(lambda: capture.server.connected)
    for _ in range(4):
        teller.hear(50.0)
    wait_until(lambda: (client.next(0.1), client.take_sound_db())[1] == 50.0)
    client.close()
