"""One V4L2 camera: asked for a picture of the lens's shape, read without ever blocking.

FFmpeg's own V4L2 input waits for a buffer inside the kernel, where neither a timeout nor a
stop reaches it, so a camera that falls silent could not be left (edge/design/cameras.md).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.types import Size
from roeh.sources.v4l2 import videodev2 as v4l2
from roeh.sources.v4l2.formats import CODINGS, PictureCoding, Video

#: Of all video devices (the kernel's admin-guide/devices.txt).
_VIDEO_MAJOR = 81
#: Buffers in the driver: one being filled, one filled, two for a reader that is late.
_BUFFERS = 4


class Negotiated(msgspec.Struct, frozen=True):
    """What a camera agreed to send."""

    coding: PictureCoding
    size: Size
    fps: float
    row_bytes: int


class FilledBuffer(msgspec.Struct, frozen=True):
    """What the driver put into one buffer.

    Attributes:
        content: a copy: the buffer is the driver's again.
        t_mono_ns: when it was taken, by CLOCK_MONOTONIC; None where the driver's stamp is
            of another clock.
        sequence: counts pictures, also those that found no buffer.
        is_damaged: the driver says that parts are missing.
    """

    content: bytes
    t_mono_ns: int | None
    sequence: int
    is_damaged: bool


class NotACamera(Exception):
    """What stands at the path can never give pictures: what it is, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy


class DeviceAway(Exception):
    """The camera gives nothing now and may do so later; `reason` for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_USE_CAMERA = "give the camera's device, best by its name in /dev/v4l/by-id"
_AWAY = {
    errno.ENOENT: "the camera is not plugged in",
    errno.ENODEV: "the camera was unplugged",
    errno.ENXIO: "the camera is not plugged in",
    errno.EBUSY: "another program uses the camera",
    errno.EIO: "the camera's driver reports an error in its connection (EIO)",
    errno.EPROTO: "the camera does not answer as USB wants it (EPROTO)",
    errno.ETIMEDOUT: "the camera does not answer its driver",
    errno.ENOSPC: "the USB bus has no room for this camera's pictures beside the other ones",
}


class V4l2Device:
    """An opened camera; a context manager. Leaving gives buffers and descriptor back.

    Args:
        path: the device, or a link to it.
        kernel: what does the calls.

    Raises:
        NotACamera: something else is there, or it may not be opened.
        DeviceAway: unplugged, in use.
    """

    def __init__(self, path: str, kernel: v4l2.Kernel | None = None) -> None:
        self._kernel = kernel or v4l2.LinuxKernel()
        self._mapped: list[memoryview] = []
        self._is_streaming = False
        self._descriptor = -1
        _refuse_other_files(path)
        with _told():
            self._descriptor = self._kernel.open(path)
        try:
            self.name = self._refuse_other_devices()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> V4l2Device:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the stream and give everything back; a device that is gone does not mind."""
        if self._descriptor < 0:
            return
        if self._is_streaming:
            self._is_streaming = False
            with contextlib.suppress(OSError):
                self._call(v4l2.STREAMOFF, v4l2.BufferType(v4l2.BUF_TYPE_VIDEO_CAPTURE))
        while self._mapped:
            self._kernel.unmap(self._mapped.pop())
        self._kernel.close(self._descriptor)
        self._descriptor = -1

    def offers(self, video: Video, wanted: Size) -> list[Negotiated]:
        """What it would send, as its driver answers when asked for `wanted`: best first.

        Sizes are the driver's own answer, `fps` is not known yet.

        Raises:
            DeviceAway: it went meanwhile.
        """
        codes = set(self._codes())
        found = []
        for coding in CODINGS:
            if video in {"auto", coding.video} and v4l2.fourcc(coding.fourcc) in codes:
                try:
                    found.append(self._format(v4l2.TRY_FMT, coding, wanted))
                except OSError as error:
                    # EINVAL: not in any size. Whatever else says nothing of what it has.
                    if error.errno != errno.EINVAL:
                        raise DeviceAway(_reason(error)) from None
        return found

    def choose(self, offer: Negotiated, fps: float) -> Negotiated:
        """Set the format and the rate; what the driver made of them.

        Raises:
            DeviceAway: another program streams from it, or it went.
        """
        with _told():
            chosen = self._format(v4l2.S_FMT, offer.coding, offer.size)
        parm = v4l2.StreamParm(type=v4l2.BUF_TYPE_VIDEO_CAPTURE)
        parm.parm.capture.timeperframe.numerator = 1000
        parm.parm.capture.timeperframe.denominator = round(fps * 1000)
        interval = parm.parm.capture.timeperframe
        # A camera whose rate cannot be set keeps its own.
        with contextlib.suppress(OSError):
            self._call(v4l2.S_PARM, parm)
        if interval.numerator and interval.denominator:
            fps = interval.denominator / interval.numerator
        return msgspec.structs.replace(chosen, fps=fps)

    def set_mains(self, mains_hz: int) -> None:
        """Exposures that lamps on that mains do not beat with, where the camera knows how."""
        value = {50: v4l2.POWER_LINE_50_HZ, 60: v4l2.POWER_LINE_60_HZ}
        control = v4l2.Control(
            v4l2.CID_POWER_LINE_FREQUENCY, value.get(mains_hz, v4l2.POWER_LINE_DISABLED)
        )
        with contextlib.suppress(OSError):
            self._call(v4l2.S_CTRL, control)

    def start(self) -> None:
        """Let it fill buffers.

        Raises:
            DeviceAway: it cannot begin now.
        """
        with _told():
            request = v4l2.RequestBuffers(_BUFFERS, v4l2.BUF_TYPE_VIDEO_CAPTURE, v4l2.MEMORY_MMAP)
            self._call(v4l2.REQBUFS, request)
            for index in range(request.count):
                buffer = self._buffer(index)
                self._call(v4l2.QUERYBUF, buffer)
                self._mapped.append(
                    self._kernel.map(self._descriptor, buffer.length, buffer.m.offset)
                )
                self._call(v4l2.QBUF, buffer)
            self._call(v4l2.STREAMON, v4l2.BufferType(v4l2.BUF_TYPE_VIDEO_CAPTURE))
            self._is_streaming = True

    def take(self, wait_s: float) -> FilledBuffer | None:
        """The next filled buffer, given back to the driver; None if none comes in `wait_s`.

        Raises:
            DeviceAway: unplugged, or its driver gave up.
        """
        with _told():
            if not self._kernel.wait(self._descriptor, wait_s):
                return None
            buffer = self._buffer(0)
            try:
                self._call(v4l2.DQBUF, buffer)
            except BlockingIOError:
                # Nothing to take, and yet it woke us: the device has only a complaint.
                raise DeviceAway(_AWAY[errno.EIO]) from None
            if buffer.index >= len(self._mapped):
                raise DeviceAway("the camera's driver names a buffer that it does not have")
            try:
                return self._copied(buffer)
            finally:
                self._call(v4l2.QBUF, buffer)

    def _copied(self, buffer: v4l2.Buffer) -> FilledBuffer:
        clock = buffer.flags & v4l2.BUF_FLAG_TIMESTAMP_MASK
        stamp = buffer.timestamp
        return FilledBuffer(
            content=bytes(self._mapped[buffer.index][: buffer.bytesused]),
            t_mono_ns=stamp.tv_sec * NS_PER_S + stamp.tv_usec * NS_PER_US
            if clock == v4l2.BUF_FLAG_TIMESTAMP_MONOTONIC
            else None,
            sequence=buffer.sequence,
            is_damaged=bool(buffer.flags & v4l2.BUF_FLAG_ERROR) or not buffer.bytesused,
        )

    def _codes(self) -> Iterator[int]:
        """The formats that it lists."""
        index = 0
        while True:
            described = v4l2.FormatDescription(index, v4l2.BUF_TYPE_VIDEO_CAPTURE)
            try:
                self._call(v4l2.ENUM_FMT, described)
            except OSError as error:
                # The end of the list, by the API.
                if error.errno == errno.EINVAL:
                    return
                raise DeviceAway(_reason(error)) from None
            yield described.pixelformat
            index += 1

    def _format(self, request: int, coding: PictureCoding, wanted: Size) -> Negotiated:
        """Ask for a format, or set it; what the driver answers.

        Raises:
            OSError: it has none like it.
        """
        asked = v4l2.Format(type=v4l2.BUF_TYPE_VIDEO_CAPTURE)
        pix = asked.fmt.pix
        pix.width, pix.height = wanted.width_px, wanted.height_px
        pix.pixelformat = v4l2.fourcc(coding.fourcc)
        pix.field = v4l2.FIELD_NONE
        self._call(request, asked)
        if pix.pixelformat != v4l2.fourcc(coding.fourcc):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return Negotiated(coding, Size(pix.width, pix.height), 0.0, pix.bytesperline)

    def _refuse_other_devices(self) -> str:
        """The camera's name; raises for what gives no pictures."""
        capability = v4l2.Capability()
        with _told():
            self._call(v4l2.QUERYCAP, capability)
        caps = capability.capabilities
        if caps & v4l2.CAP_DEVICE_CAPS:
            # What this node can, not all nodes of the camera together.
            caps = capability.device_caps
        if caps & v4l2.CAP_META_CAPTURE:
            raise NotACamera(
                "the camera's second device, which gives data about pictures and no pictures",
                "take the one that ends in video-index0 in /dev/v4l/by-id",
            )
        if caps & v4l2.CAP_VIDEO_CAPTURE_MPLANE:
            raise NotACamera(
                "a camera of several planes, as boards have, and no USB camera",
                "use kind picamera2 or gstreamer for a camera on the board",
            )
        if not (caps & v4l2.CAP_VIDEO_CAPTURE and caps & v4l2.CAP_STREAMING):
            raise NotACamera("a video device that is no camera", _USE_CAMERA)
        return capability.card.decode("utf-8", "replace")

    def _buffer(self, index: int) -> v4l2.Buffer:
        return v4l2.Buffer(index=index, type=v4l2.BUF_TYPE_VIDEO_CAPTURE, memory=v4l2.MEMORY_MMAP)

    def _call(self, request: int, argument: ctypes.Structure) -> None:
        self._kernel.ioctl(self._descriptor, request, argument)


def _refuse_other_files(path: str) -> None:
    """What is never opened: opening already does something to some devices. Missing ones pass."""
    try:
        found = Path(path).stat()
    except OSError:
        return
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFCHR:
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFREG: "a file", stat.S_IFIFO: "a pipe"}
        raise NotACamera(f"{kinds.get(kind, 'no device')}, not a camera", _USE_CAMERA)
    if os.major(found.st_rdev) != _VIDEO_MAJOR:
        raise NotACamera("a device that is no camera", _USE_CAMERA)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """The kernel's error in words: what passes, and what does not."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise NotACamera(
                "no permission to open the camera", "add the capture user to the group video"
            ) from None
        if error.errno == errno.ENOTTY:
            raise NotACamera("a device that is no camera", _USE_CAMERA) from None
        raise DeviceAway(_reason(error)) from None


def _reason(error: OSError) -> str:
    number = error.errno or 0
    return _AWAY.get(number, f"the camera's driver refuses ({os.strerror(number)})")
