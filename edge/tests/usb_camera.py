"""A USB camera as the kernel shows it: V4L2's calls answered as the kernel's documents say.

It stands behind `roeh.sources.v4l2.videodev2.Kernel` and checks what a driver checks: formats
before buffers, buffers before a stream, only buffers that were queued are filled.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from fractions import Fraction

import av

from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.types import Size
from roeh.sources.v4l2 import videodev2 as v4l2

CLOCK = SystemClock()
SIZE = Size(320, 240)
_BUFFER_BYTES = 1 << 18
_PIXEL_BYTES = {"yuyv422": 2, "uyvy422": 2, "rgb24": 3, "bgr24": 3}


def raw_pixels(picture, pixel_format):
    """A picture (BGR) in that format, no row longer than its pixels."""
    frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format=pixel_format)
    rows = []
    for number, plane in enumerate(frame.planes):
        interleaved = 2 if pixel_format == "nv12" and number else 1
        length = plane.width * _PIXEL_BYTES.get(pixel_format, interleaved)
        content = bytes(plane)
        rows += [content[row * plane.line_size :][:length] for row in range(plane.height)]
    return b"".join(rows)


def jpeg(picture):
    height, width = picture.shape[:2]
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuvj420p")
    return bytes(encoder.encode(frame)[0])


class UsbCamera:
    """A camera on the bus.

    Args:
        formats: fourcc to what it sends, picture after picture, over and over.
        sizes: that it has; it answers with the one nearest in width.
        row_bytes: from row to row of a raw picture, where not its width's.
    """

    def __init__(self, formats, *, sizes=(SIZE,), fps=100.0, capabilities=None, row_bytes=0):
        self.formats = formats
        self.sizes = list(sizes)
        self.is_plugged = True
        self.is_allowed = True
        self.is_silent = False
        self.used_by_another = False
        self.clock_flag = v4l2.BUF_FLAG_TIMESTAMP_MONOTONIC
        self.controls = {v4l2.CID_POWER_LINE_FREQUENCY: 3}
        #: Numbers of pictures that the driver marks as damaged, or for which it has no buffer.
        self.damaged = set()
        self.skipped = set()
        self.opened = 0
        self.mapped = 0
        self._capabilities = capabilities or v4l2.CAP_VIDEO_CAPTURE | v4l2.CAP_STREAMING
        self._fps = fps
        self._row_bytes = row_bytes
        self._sequence = 0
        self._format = None
        self._buffers = []
        self._queued = deque()
        self._streams = False
        self._pause = threading.Event()

    def open(self, path):
        if not self.is_plugged:
            _fail(errno.ENOENT)
        if not self.is_allowed:
            _fail(errno.EACCES)
        self.opened += 1
        return 1000 + self.opened

    def close(self, descriptor):
        assert descriptor > 1000
        self.opened -= 1
        self._streams = False
        self._queued.clear()

    def map(self, descriptor, length, offset):
        self.mapped += 1
        return memoryview(self._buffers[offset // _BUFFER_BYTES])[:length]

    def unmap(self, memory):
        self.mapped -= 1
        memory.release()

    def wait(self, descriptor, timeout_s):
        if not self.is_plugged:
            return True
        if self.is_silent or not self._queued:
            self._pause.wait(min(timeout_s, 0.02))
            return False
        self._pause.wait(1 / self._fps)
        return True

    def ioctl(self, descriptor, request, argument):
        if not self.is_plugged:
            _fail(errno.ENODEV)
        _ANSWERS[request](self, argument)

    def _querycap(self, said):
        said.card = b"Street Camera"
        said.capabilities = v4l2.CAP_DEVICE_CAPS | 0xFFFF
        said.device_caps = self._capabilities

    def _enum_fmt(self, said):
        codes = list(self.formats)
        if said.index >= len(codes):
            _fail(errno.EINVAL)
        said.pixelformat = v4l2.fourcc(codes[said.index])

    def _try_fmt(self, said):
        pix = said.fmt.pix
        codes = [code for code in self.formats if v4l2.fourcc(code) == pix.pixelformat]
        code = codes[0] if codes else next(iter(self.formats))
        size = min(self.sizes, key=lambda one: abs(one.width_px - pix.width))
        pix.width, pix.height = size.width_px, size.height_px
        pix.pixelformat = v4l2.fourcc(code)
        pix.bytesperline, pix.sizeimage = self._row_bytes, _BUFFER_BYTES
        return code

    def _s_fmt(self, said):
        if self.used_by_another:
            _fail(errno.EBUSY)
        self._format = self._try_fmt(said)

    def _s_parm(self, said):
        interval = said.parm.capture.timeperframe
        assert interval.numerator
        interval.numerator, interval.denominator = 1, round(self._fps)

    def _s_ctrl(self, said):
        if said.id not in self.controls:
            _fail(errno.EINVAL)
        self.controls[said.id] = said.value

    def _reqbufs(self, said):
        assert self._format is not None
        said.count = min(said.count, 3)
        self._buffers = [bytearray(_BUFFER_BYTES) for _ in range(said.count)]

    def _querybuf(self, said):
        said.length, said.m.offset = _BUFFER_BYTES, said.index * _BUFFER_BYTES

    def _qbuf(self, said):
        assert said.index not in self._queued
        self._queued.append(said.index)

    def _dqbuf(self, said):
        assert self._streams
        if not self._queued:
            _fail(errno.EAGAIN)
        while self._sequence in self.skipped:
            self._sequence += 1
        pictures = self.formats[self._format]
        content = pictures[self._sequence % len(pictures)]
        said.index = self._queued.popleft()
        self._buffers[said.index][: len(content)] = content
        said.bytesused, said.sequence = len(content), self._sequence
        said.flags = self.clock_flag
        if self._sequence in self.damaged:
            said.flags |= v4l2.BUF_FLAG_ERROR
        taken_us = CLOCK.mono_ns() // 1000 - 7000
        said.timestamp.tv_sec, said.timestamp.tv_usec = divmod(taken_us, NS_PER_S // 1000)
        self._sequence += 1

    def _streamon(self, said):
        assert said.type == v4l2.BUF_TYPE_VIDEO_CAPTURE
        self._streams = True

    def _streamoff(self, said):
        self._streams = False
        self._queued.clear()


def _fail(number):
    raise OSError(number, os.strerror(number))


_ANSWERS = {
    v4l2.QUERYCAP: UsbCamera._querycap,
    v4l2.ENUM_FMT: UsbCamera._enum_fmt,
    v4l2.TRY_FMT: UsbCamera._try_fmt,
    v4l2.S_FMT: UsbCamera._s_fmt,
    v4l2.S_PARM: UsbCamera._s_parm,
    v4l2.S_CTRL: UsbCamera._s_ctrl,
    v4l2.REQBUFS: UsbCamera._reqbufs,
    v4l2.QUERYBUF: UsbCamera._querybuf,
    v4l2.QBUF: UsbCamera._qbuf,
    v4l2.DQBUF: UsbCamera._dqbuf,
    v4l2.STREAMON: UsbCamera._streamon,
    v4l2.STREAMOFF: UsbCamera._streamoff,
}
