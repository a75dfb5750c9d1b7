"""The kernel's V4L2 as it stands in linux/videodev2.h: structures, numbers, and the calls.

Source: linux/videodev2.h and linux/v4l2-controls.h (Linux 6.1), described in the kernel's
"Video for Linux API", userspace-api/media/v4l. A test compiles the header and compares every
number and offset. Only what a camera of one plane needs is here.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
from typing import Protocol

# enum v4l2_buf_type, v4l2_memory, v4l2_field
BUF_TYPE_VIDEO_CAPTURE = 1
MEMORY_MMAP = 1
FIELD_NONE = 1

CAP_VIDEO_CAPTURE = 0x00000001
CAP_VIDEO_CAPTURE_MPLANE = 0x00001000
CAP_META_CAPTURE = 0x00800000
CAP_STREAMING = 0x04000000
CAP_DEVICE_CAPS = 0x80000000

BUF_FLAG_ERROR = 0x00000040
BUF_FLAG_TIMESTAMP_MASK = 0x0000E000
BUF_FLAG_TIMESTAMP_MONOTONIC = 0x00002000

# V4L2_CID_BASE + 24, and enum v4l2_power_line_frequency
CID_POWER_LINE_FREQUENCY = 0x00980918
POWER_LINE_DISABLED = 0
POWER_LINE_50_HZ = 1
POWER_LINE_60_HZ = 2

_u8, _u32, _i32 = ctypes.c_uint8, ctypes.c_uint32, ctypes.c_int32


class Capability(ctypes.Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", _u8 * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", _u8 * 32),
        ("version", _u32),
        ("capabilities", _u32),
        ("device_caps", _u32),
        ("reserved", _u32 * 3),
    )
    card: bytes
    capabilities: int
    device_caps: int


class FormatDescription(ctypes.Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = (
        ("index", _u32),
        ("type", _u32),
        ("flags", _u32),
        ("description", _u8 * 32),
        ("pixelformat", _u32),
        ("mbus_code", _u32),
        ("reserved", _u32 * 3),
    )
    index: int
    type: int
    pixelformat: int


class PixFormat(ctypes.Structure):
    """struct v4l2_pix_format."""

    _fields_ = (
        ("width", _u32),
        ("height", _u32),
        ("pixelformat", _u32),
        ("field", _u32),
        ("bytesperline", _u32),
        ("sizeimage", _u32),
        ("colorspace", _u32),
        ("priv", _u32),
        ("flags", _u32),
        ("ycbcr_enc", _u32),
        ("quantization", _u32),
        ("xfer_func", _u32),
    )
    width: int
    height: int
    pixelformat: int
    field: int
    bytesperline: int
    sizeimage: int
    colorspace: int
    quantization: int


class _FormatUnion(ctypes.Union):
    """Aligned like the pointers that other members of it hold."""

    _fields_ = (("pix", PixFormat), ("raw_data", _u8 * 200), ("align", ctypes.c_void_p))
    pix: PixFormat


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _fields_ = (("type", _u32), ("fmt", _FormatUnion))
    type: int
    fmt: _FormatUnion


class Fraction(ctypes.Structure):
    """struct v4l2_fract."""

    _fields_ = (("numerator", _u32), ("denominator", _u32))
    numerator: int
    denominator: int


class CaptureParm(ctypes.Structure):
    """struct v4l2_captureparm."""

    _fields_ = (
        ("capability", _u32),
        ("capturemode", _u32),
        ("timeperframe", Fraction),
        ("extendedmode", _u32),
        ("readbuffers", _u32),
        ("reserved", _u32 * 4),
    )
    timeperframe: Fraction


class _ParmUnion(ctypes.Union):
    _fields_ = (("capture", CaptureParm), ("raw_data", _u8 * 200))
    capture: CaptureParm


class StreamParm(ctypes.Structure):
    """struct v4l2_streamparm."""

    _fields_ = (("type", _u32), ("parm", _ParmUnion))
    type: int
    parm: _ParmUnion


class RequestBuffers(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", _u32),
        ("type", _u32),
        ("memory", _u32),
        ("capabilities", _u32),
        ("flags", _u8),
        ("reserved", _u8 * 3),
    )
    count: int
    type: int
    memory: int


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))
    tv_sec: int
    tv_usec: int


class _Timecode(ctypes.Structure):
    _fields_ = (
        ("type", _u32),
        ("flags", _u32),
        ("frames", _u8),
        ("seconds", _u8),
        ("minutes", _u8),
        ("hours", _u8),
        ("userbits", _u8 * 4),
    )


class _BufferMemory(ctypes.Union):
    _fields_ = (("offset", _u32), ("userptr", ctypes.c_ulong))
    offset: int


class Buffer(ctypes.Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", _u32),
        ("type", _u32),
        ("bytesused", _u32),
        ("flags", _u32),
        ("field", _u32),
        ("timestamp", _Timeval),
        ("timecode", _Timecode),
        ("sequence", _u32),
        ("memory", _u32),
        ("m", _BufferMemory),
        ("length", _u32),
        ("reserved2", _u32),
        ("request_fd", _i32),
    )
    index: int
    type: int
    bytesused: int
    flags: int
    timestamp: _Timeval
    sequence: int
    memory: int
    m: _BufferMemory
    length: int


class Control(ctypes.Structure):
    """struct v4l2_control."""

    _fields_ = (("id", _u32), ("value", _i32))
    id: int
    value: int


class BufferType(ctypes.Structure):
    """The int that VIDIOC_STREAMON and VIDIOC_STREAMOFF take."""

    _fields_ = (("type", _i32),)
    type: int


_NONE, _WRITE, _READ = 0, 1, 2


def _request(direction: int, number: int, argument: type[ctypes.Structure]) -> int:
    """_IOC of asm-generic/ioctl.h, as x86, arm and arm64 have it."""
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord("V") << 8 | number


QUERYCAP = _request(_READ, 0, Capability)
ENUM_FMT = _request(_READ | _WRITE, 2, FormatDescription)
S_FMT = _request(_READ | _WRITE, 5, Format)
REQBUFS = _request(_READ | _WRITE, 8, RequestBuffers)
QUERYBUF = _request(_READ | _WRITE, 9, Buffer)
QBUF = _request(_READ | _WRITE, 15, Buffer)
DQBUF = _request(_READ | _WRITE, 17, Buffer)
STREAMON = _request(_WRITE, 18, BufferType)
STREAMOFF = _request(_WRITE, 19, BufferType)
S_PARM = _request(_READ | _WRITE, 22, StreamParm)
S_CTRL = _request(_READ | _WRITE, 28, Control)
TRY_FMT = _request(_READ | _WRITE, 64, Format)


def fourcc(code: str) -> int:
    """v4l2_fourcc: four characters as a number, the first one lowest."""
    return int.from_bytes(code.encode("ascii"), "little")


class Kernel(Protocol):
    """The system calls that a camera needs; each raises OSError as the kernel says it."""

    def open(self, path: str) -> int:
        """A descriptor that never blocks."""

    def close(self, descriptor: int) -> None:
        """Give it back; a stream of it ends."""

    def ioctl(self, descriptor: int, request: int, argument: ctypes.Structure) -> None:
        """One of the requests above; the kernel writes its answer into `argument`."""

    def wait(self, descriptor: int, timeout_s: float) -> bool:
        """Whether a buffer is filled, or the device has something to complain of."""

    def map(self, descriptor: int, length: int, offset: int) -> memoryview:
        """A buffer of the driver."""

    def unmap(self, memory: memoryview) -> None:
        """Give a mapped buffer back."""


class LinuxKernel:
    """The `Kernel` that runs here."""

    def open(self, path: str) -> int:
        """A descriptor that never blocks."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        """Give it back; a stream of it ends."""
        os.close(descriptor)

    def ioctl(self, descriptor: int, request: int, argument: ctypes.Structure) -> None:
        """One of the requests above; the kernel writes its answer into `argument`."""
        while True:
            try:
                fcntl.ioctl(descriptor, request, argument, True)
            except InterruptedError:
                # By a signal of ours; of all calls Python repeats all but this one.
                continue
            return

    def wait(self, descriptor: int, timeout_s: float) -> bool:
        """Whether a buffer is filled, or the device has something to complain of."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(round(timeout_s * 1000)))

    def map(self, descriptor: int, length: int, offset: int) -> memoryview:
        """A buffer of the driver."""
        return memoryview(mmap.mmap(descriptor, length, offset=offset))

    def unmap(self, memory: memoryview) -> None:
        """Give a mapped buffer back."""
        mapped = memory.obj
        memory.release()
        if isinstance(mapped, mmap.mmap):
            mapped.close()
