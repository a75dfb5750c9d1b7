"""GStreamer's child as a process: found, started, listened to, ended."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from roeh.core.clock import SystemClock
from roeh.core.errors import CameraMissing, one_line
from roeh.media.decode import PictureFormat
from roeh.sources.gstreamer.pipeline import Pipeline, WantedCaps, packages_of
from roeh.sources.gstreamer.protocol import ChildMessage, ChildMessages
from roeh.sources.gstreamer.ring import SEALS, SLOTS, FrameLease, FrameRing

_BINDING_PACKAGES = ("python3-gi", "gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-base")

#: A coded picture may be larger than the picture itself by headers alone.
_CODED_HEADERS_BYTES = 1 << 16
_RECEIVE_BYTES = 1 << 18
_CHECK_TIMEOUT_S = 20.0
# How long the end of a child is waited for: of one that closes its camera, of one that hangs.
_CLOSING_S = 2.0
_HANGING_S = 0.3
_LAST_WORDS_BYTES = 300
# What the child and its libraries may write on stderr before it is written over.
_WORDS_BYTES = 1 << 16
_PASSED_ON = frozenset({"HOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "XDG_CACHE_HOME"})


class _Missing(msgspec.Struct):
    """What the child's check answers."""

    missing: list[str]


class _Order(msgspec.Struct, frozen=True):
    """What the child is started with; numbers of descriptors are those it inherits."""

    description: str
    frames: WantedCaps
    coded: WantedCaps | None
    parent: int
    socket: int
    memory: int
    slots: int
    stride_bytes: int
    mask: int | None


class ChildProgram(msgspec.Struct, frozen=True):
    """What is run: the system's Python, whose binding of GStreamer is of no other, and ours."""

    python: Path = Path("/usr/bin/python3")
    script: Path = Path(__file__).with_name("child.py")

    def command(self, *arguments: str) -> list[str]:
        """The command line: without anybody's directories in Python's path."""
        return [str(self.python), "-I", "-B", str(self.script), *arguments]


@functools.cache
def usable_elements(
    program: ChildProgram, elements: tuple[str, ...], optional: tuple[str, ...]
) -> tuple[str, ...]:
    """Which of the optional elements are there; asked once.

    Args:
        program: the child's.
        elements: without these there is no camera.
        optional: one of them, if any are named, has to be there.

    Raises:
        CameraMissing: GStreamer, its binding or an element is not installed.
    """
    absent = _ask_child(program, (*elements, *optional))
    there = tuple(element for element in optional if element not in absent)
    missing = tuple(element for element in elements if element in absent)
    choice = optional if optional and not there else ()
    if missing or choice:
        words = [*missing, *([" or ".join(choice)] if choice else [])]
        packages = [*packages_of(missing), *([" or ".join(packages_of(choice))] if choice else [])]
        raise CameraMissing(
            what=f"GStreamer has no {', '.join(words)}",
            which=str(program.python),
            remedy=f"install {', '.join(packages)}",
        )
    return there


def _ask_child(program: ChildProgram, elements: tuple[str, ...]) -> list[str]:
    """Those that are missing."""
    try:
        done = subprocess.run(
            program.command("check", *elements),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHECK_TIMEOUT_S,
            check=False,
            env=_environment(),
        )
        return msgspec.json.decode(done.stdout, type=_Missing).missing
    except msgspec.DecodeError:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = one_line(lines[-1][:_LAST_WORDS_BYTES]) if lines else "it says nothing"
    except FileNotFoundError:
        reason = "no such program"
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_CHECK_TIMEOUT_S:.0f} s"
    except OSError as error:
        reason = error.strerror or "it cannot be started"
    raise CameraMissing(
        what=f"GStreamer cannot be used from the system's Python ({reason})",
        which=str(program.python),
        remedy=f"install the Debian packages {' '.join(_BINDING_PACKAGES)}",
    )


def _environment() -> dict[str, str]:
    """What GStreamer and a board's drivers may need of ours, and nothing that is a secret."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED_ON or key.startswith("GST_")
    }
    return {**kept, "LC_ALL": "C.UTF-8"}


class GstreamerProcess:
    """A running child; a context manager that ends it.

    Args:
        pipeline: what it runs.
        layout: of the frames.
        mask_png: the masks' picture, black where nothing may be seen; empty without masks.
        program: the child's.

    Attributes:
        is_hanging: set by whoever waits no longer for it: its end is not waited for either.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        layout: PictureFormat,
        mask_png: bytes = b"",
        *,
        program: ChildProgram,
    ) -> None:
        self.is_hanging = False
        coded = pipeline.coded
        most_bytes = 0 if coded is None else coded.width * coded.height * 3 // 2
        self._messages = ChildMessages(SLOTS, most_bytes + _CODED_HEADERS_BYTES if coded else 0)
        self._kernel_clock = SystemClock()
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as only_theirs:
            self._ring = FrameRing(layout)
            undo.callback(self._ring.close)
            self._words = _sealed("roeh-words", bytes(_WORDS_BYTES), more=0)
            undo.callback(os.close, self._words)
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            undo.callback(self._connection.close)
            only_theirs.callback(theirs.close)
            inherited = [theirs.fileno(), self._ring.descriptor]
            mask = None
            if mask_png:
                mask = _sealed("roeh-mask", mask_png)
                only_theirs.callback(os.close, mask)
                inherited.append(mask)
            order = _Order(
                description=pipeline.description,
                frames=pipeline.frames,
                coded=coded,
                parent=os.getpid(),
                socket=theirs.fileno(),
                memory=self._ring.descriptor,
                slots=SLOTS,
                stride_bytes=self._ring.stride_bytes,
                mask=mask,
            )
            self._process = subprocess.Popen(
                program.command("run", msgspec.json.encode(order).decode()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                close_fds=True,
                pass_fds=inherited,
                cwd="/",
                env=_environment(),
                start_new_session=True,
            )
            undo.pop_all()

    def __enter__(self) -> GstreamerProcess:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def receive(self, wait_s: float) -> Iterator[ChildMessage] | None:
        """What it says within that time, maybe nothing; None when it has ended.

        Raises:
            ChildGarbage: while iterating: it said what it may not.
        """
        if os.lseek(self._words, 0, os.SEEK_CUR) > _WORDS_BYTES // 2:
            os.lseek(self._words, 0, os.SEEK_SET)
        self._connection.settimeout(wait_s)
        try:
            received = self._connection.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return iter(())
        except OSError:
            return None
        if not received:
            return None
        return self._messages.feed(received, self._kernel_clock.mono_ns())

    def lease(self, slot: int) -> FrameLease:
        """The frame in that slot, of which the child said that it is written."""

        def let_go() -> None:
            self._messages.release(slot)
            with contextlib.suppress(OSError):
                # Never waits: of so few bytes none is ever left over.
                self._connection.send(bytes([slot]), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

        return self._ring.lease(slot, let_go)

    def wait(self, wait_s: float) -> bool:
        """Whether it has ended within that time."""
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ending(self) -> str:
        """Why it ended, as far as it can be told: its last words, or the signal."""
        self.wait(1.0)
        code = self._process.returncode
        if code is not None and code < 0:
            return f"the camera's process was ended by {signal.Signals(-code).name}"
        # The place where the child writes next is shared with it.
        end = os.lseek(self._words, 0, os.SEEK_CUR)
        last = os.pread(self._words, min(end, _LAST_WORDS_BYTES), max(0, end - _LAST_WORDS_BYTES))
        lines = last.decode("utf-8", "replace").strip().splitlines()
        return "the camera's process ended" + (f" ({one_line(lines[-1])})" if lines else "")

    def close(self) -> None:
        """End it: asked first, so that it closes the camera, and killed when that takes long."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        if not self.wait(_HANGING_S if self.is_hanging else _CLOSING_S):
            # Also one that is stopped; reaped only here, so the number is still its own.
            self._process.kill()
            self._process.wait()
        self._give_back()

    def _give_back(self) -> None:
        self._connection.close()
        self._ring.close()
        os.close(self._words)


def _sealed(name: str, content: bytes, *, more: int = fcntl.F_SEAL_WRITE) -> int:
    """A descriptor of memory with that content and size; by default nobody changes either."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS | more)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
