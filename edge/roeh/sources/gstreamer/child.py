"""The child that runs GStreamer: the only place that knows its binding.

It is a script, run by the system's own Python (3.8 or later) apart from the product's
environment, and imports nothing but the standard library and `gi`. Frames go into slots of
shared memory, coded pictures and all words over a socket. What it is told and says:
edge/design/cameras.md, "GStreamer's child".

Usage: child.py check ELEMENT...   which of these are missing, as JSON
       child.py run ORDER          ORDER is JSON, as `sources.gstreamer.process` writes it
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import sys
import threading
from typing import Any

# Not through an adapter: this script is the adapter, in a process of its own.
import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402 - after the versions

# What `sources.gstreamer.protocol` reads: kind, slot, payload bytes, number, pts, dts.
_HEADER = struct.Struct("<BxHIQqq")
_FRAME, _SKIPPED, _CODED, _TROUBLE, _UNFIT = range(1, 6)
_MAX_TEXT_BYTES = 400
# How long closing the camera may take before the kernel ends this process.
_CLOSE_S = 2
_PR_SET_PDEATHSIG = 1
_LEFT_RING = 1 << 12


class _Unfit(Exception):
    """What the pipeline gives is not what was asked for."""


class _Link:
    """The socket to the parent; whoever cannot write to it any more ends."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._lock = threading.Lock()

    def send(
        self,
        kind: int,
        *,
        slot: int = 0,
        number: int = 0,
        pts_ns: int = 0,
        dts_ns: int = 0,
        payload: bytes = b"",
    ) -> None:
        """A message, whole; it waits for a parent that does not read."""
        header = _HEADER.pack(kind, slot, len(payload), number, pts_ns, dts_ns)
        try:
            with self._lock:
                self.connection.sendall(header + payload)
        except OSError:
            os._exit(0)

    def say(self, kind: int, text: str) -> None:
        """Words for a person, in one line."""
        self.send(kind, payload=" ".join(text.split()).encode()[:_MAX_TEXT_BYTES])


class _Slots:
    """The memory for frames, and which slots are free."""

    def __init__(self, descriptor: int, count: int, stride_bytes: int) -> None:
        self._memory = mmap.mmap(descriptor, count * stride_bytes)
        self._stride_bytes = stride_bytes
        self._free = set(range(count))
        self._lock = threading.Lock()

    def claim(self) -> int | None:
        """The lowest free slot: memory that is never needed is never touched."""
        with self._lock:
            slot = min(self._free, default=None)
            self._free.discard(-1 if slot is None else slot)
            return slot

    def release(self, slot: int) -> None:
        """The parent gives it back."""
        with self._lock:
            self._free.add(slot)

    def write(self, slot: int, rows: list[tuple[bytes, int, int, int, int]]) -> None:
        """Write planes one after another.

        Args:
            slot: a claimed one.
            rows: for each plane: its buffer, where in it the plane begins, bytes from row to
                row, bytes of a row, rows.
        """
        at = slot * self._stride_bytes
        for content, start, stride, width, count in rows:
            if stride == width:
                size = width * count
                self._memory[at : at + size] = content[start : start + size]
                at += size
                continue
            for row in range(count):
                begin = start + row * stride
                self._memory[at : at + width] = content[begin : begin + width]
                at += width


class _Arrivals:
    """How many frames came, whether or not they found their way to the slots."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers: dict[int, int] = {}
        self._lock = threading.Lock()

    def arrived(self, _pad: Any, info: Any) -> Any:
        """A pad probe: the frame with this stamp is the next one."""
        with self._lock:
            self._numbers[info.get_buffer().pts] = self._count
            self._count += 1
            while len(self._numbers) > _LEFT_RING:
                del self._numbers[next(iter(self._numbers))]
        return Gst.PadProbeReturn.OK

    def number(self, pts: int) -> int:
        """Which frame has that stamp; those before it are over."""
        with self._lock:
            number = self._numbers.get(pts, self._count)
            self._numbers = {key: one for key, one in self._numbers.items() if one > number}
            return number


def main(arguments: list[str]) -> None:
    """One of the two usages."""
    Gst.init(None)
    if arguments[0] == "check":
        missing = [name for name in arguments[1:] if Gst.ElementFactory.find(name) is None]
        sys.stdout.write(json.dumps({"missing": missing}))
        return
    order = json.loads(arguments[1])
    _die_with_parent(order["parent"])
    link = _Link(socket.socket(fileno=order["socket"]))
    slots = _Slots(order["memory"], order["slots"], order["stride_bytes"])
    try:
        pipeline = Gst.parse_launch(order["description"])
    except gi.repository.GLib.Error as error:
        link.say(_UNFIT, error.message)
        return
    if order["mask"] is not None:
        pipeline.get_by_name("mask").set_property("location", f"/proc/self/fd/{order['mask']}")
    # Buffers are stamped by this clock: CLOCK_MONOTONIC, as the parent's.
    pipeline.use_clock(Gst.SystemClock.obtain())
    _connect(pipeline, order, link, slots)
    bus = pipeline.get_bus()
    threading.Thread(target=_listen, args=(link, slots, order["slots"], bus), daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    message = bus.timed_pop_filtered(
        Gst.CLOCK_TIME_NONE,
        Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.APPLICATION,
    )
    if message.type == Gst.MessageType.ERROR:
        _tell(link, message)
    elif message.type == Gst.MessageType.EOS:
        link.say(_TROUBLE, "the camera ended the stream")
    # From here on the parent may go: the camera is closed in order, but not for ever.
    signal.alarm(_CLOSE_S)
    _set_death_signal(0)
    pipeline.set_state(Gst.State.NULL)
    os._exit(0)


def _die_with_parent(parent: int) -> None:
    _set_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _set_death_signal(number: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _connect(pipeline: Any, order: dict[str, Any], link: _Link, slots: _Slots) -> None:
    arrivals = _Arrivals()
    pad = pipeline.get_by_name("arrivals").get_static_pad("sink")
    pad.add_probe(Gst.PadProbeType.BUFFER, arrivals.arrived)

    def frame(sample: Any) -> None:
        _check(sample, order["frames"])
        buffer = sample.get_buffer()
        number = arrivals.number(buffer.pts)
        slot = slots.claim()
        if slot is None:
            link.send(_SKIPPED, number=number)
            return
        _copy(buffer, order["frames"], slots, slot)
        taken_ns, _ = _times(pipeline, sample)
        link.send(_FRAME, slot=slot, number=number, pts_ns=taken_ns)

    def coded(sample: Any) -> None:
        _check(sample, order["coded"])
        buffer = sample.get_buffer()
        taken_ns, decoded_ns = _times(pipeline, sample)
        payload = buffer.extract_dup(0, buffer.get_size())
        link.send(_CODED, pts_ns=taken_ns, dts_ns=decoded_ns, payload=payload)

    _on_sample(pipeline.get_by_name("frames"), frame, link)
    if order["coded"] is not None:
        _on_sample(pipeline.get_by_name("coded"), coded, link)


def _on_sample(sink: Any, take: Any, link: _Link) -> None:
    """Have `take` called with each sample, in the thread that made it."""

    def arrived(source: Any) -> Any:
        sample = source.emit("pull-sample")
        if sample is None:
            return Gst.FlowReturn.EOS
        try:
            take(sample)
        except _Unfit as unfit:
            link.say(_UNFIT, str(unfit))
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - the binding would print it and go on
            link.say(_TROUBLE, f"{type(error).__name__}: {error}")
            os._exit(1)
        return Gst.FlowReturn.OK

    sink.connect("new-sample", arrived)


def _times(pipeline: Any, sample: Any) -> tuple[int, int]:
    """When the picture was taken and is to be decoded, ns of CLOCK_MONOTONIC.

    x264enc shifts its stamps by a thousand hours and its segment with them: only the running
    time is to be believed.
    """
    buffer, segment = sample.get_buffer(), sample.get_segment()
    base_ns = pipeline.get_base_time()
    shown_ns = segment.to_running_time(Gst.Format.TIME, buffer.pts)
    if shown_ns == Gst.CLOCK_TIME_NONE:
        raise _Unfit("a picture without a time")
    decoded_ns = Gst.CLOCK_TIME_NONE
    if buffer.dts != Gst.CLOCK_TIME_NONE:
        decoded_ns = segment.to_running_time(Gst.Format.TIME, buffer.dts)
    if decoded_ns == Gst.CLOCK_TIME_NONE:
        decoded_ns = shown_ns
    return base_ns + shown_ns, base_ns + decoded_ns


def _check(sample: Any, asked: dict[str, Any]) -> None:
    """Raises _Unfit unless the negotiated caps are what was asked for."""
    caps = sample.get_caps()
    structure = caps.get_structure(0)
    given: dict[str, Any] = {"media": structure.get_name()}
    for key, value in asked.items():
        if key == "media":
            continue
        if isinstance(value, list):
            _, numerator, denominator = structure.get_fraction(key)
            given[key] = [numerator, denominator]
        elif isinstance(value, int):
            given[key] = structure.get_int(key)[1]
        else:
            given[key] = structure.get_string(key)
    if given != asked:
        raise _Unfit(f"gives {_in_words(given)}, asked for {_in_words(asked)}")


def _in_words(caps: dict[str, Any]) -> str:
    return " ".join(
        "/".join(str(part) for part in value) if isinstance(value, list) else f"{value}"
        for value in caps.values()
    )


def _copy(buffer: Any, asked: dict[str, Any], slots: _Slots, slot: int) -> None:
    width, height = asked["width"], asked["height"]
    if asked["format"] == "BGR":
        planes = [(3 * width, height)]
    else:
        half = (width // 2, height // 2)
        planes = [(width, height), half, half]
    meta = GstVideo.buffer_get_video_meta(buffer)
    size = buffer.get_size()
    content = buffer.extract_dup(0, size)
    rows = []
    start = 0
    for index, (row_bytes, count) in enumerate(planes):
        # Without a mark of its own a plane's rows begin at multiples of 4 (GstVideoInfo).
        stride = -(-row_bytes // 4) * 4
        if meta is not None:
            start, stride = meta.offset[index], meta.stride[index]
        if stride < row_bytes or start + stride * (count - 1) + row_bytes > size:
            raise _Unfit(f"a picture of {size} bytes with rows of {stride}")
        rows.append((content, start, stride, row_bytes, count))
        start += stride * count
    slots.write(slot, rows)


def _listen(link: _Link, slots: _Slots, count: int, bus: Any) -> None:
    """Slots come back one byte each; the end of the stream is the order to end."""
    try:
        while released := link.connection.recv(64):
            for slot in released:
                if slot < count:
                    slots.release(slot)
    except OSError:
        pass
    signal.alarm(_CLOSE_S)
    bus.post(Gst.Message.new_application(None, Gst.Structure.new_empty("end")))


def _tell(link: _Link, message: Any) -> None:
    error, debug = message.parse_error()
    # The last line says why ("streaming stopped, reason not-negotiated (-4)").
    why = (debug or "").strip().splitlines()[-1:]
    is_unfit = any("not-negotiated" in line for line in why)
    name = message.src.get_name() if message.src is not None else "GStreamer"
    link.say(_UNFIT if is_unfit else _TROUBLE, ": ".join([name, error.message, *why]))


if __name__ == "__main__":
    main(sys.argv[1:])
