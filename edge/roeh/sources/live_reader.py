"""What readers of live cameras share: a thread, a mailbox, and one way to say what is wrong.

A thread of its own reads the camera, so that neither a silent camera nor one that takes long to
open ever holds up whoever iterates. A kind of camera says how one connection is read
(`LiveCamera`); that it is stalled, tried again and back is the same for all of them.
"""

from __future__ import annotations

import contextlib
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, cast

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import LensError
from roeh.core.gop import StreamEnd
from roeh.core.log import log_for
from roeh.core.types import Light, Size
from roeh.media.decode import PictureFormat
from roeh.media.frames import UInt8Image
from roeh.sources.backoff import Backoff
from roeh.sources.coded import CodedStream
from roeh.sources.mailbox import Mailbox
from roeh.sources.protocol import SourceFrame, SourceNotice, SourceObserver, SourceState
from roeh.sources.timeline import frame_at, reading_at

#: How long the iterating thread sleeps at most before it looks at `stop`.
LOOK_S = 0.1
#: How long leaving waits for the reader to give a driver's camera back.
LEAVE_S = 3.0

WritePixels = Callable[[UInt8Image], None]

_log = log_for("sources")


class CameraAway(Exception):
    """A camera gives no pictures; it is tried again.

    Args:
        reason: for a person, without the camera's address.
        is_slow: only a person can mend it, or asking often does harm.
    """

    def __init__(self, reason: str, *, is_slow: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_slow = is_slow


class LiveCamera(Protocol):
    """How one kind of camera is read."""

    def read(self, output: LiveOutput) -> None:
        """One connection: open the camera and give its pictures until `output.leaving`.

        It looks at `leaving` at least each 0.1 s where it can, and gives the camera back.

        Raises:
            CameraAway: there are no pictures, or no more of them.
            LensError: its pictures cannot be this lens's, for now.
        """


class LiveOutput:
    """Where a camera's thread leaves its frames and what is to be said of it.

    Args:
        camera_id: the sensor it is.
        shown: what a person knows the camera by, without credentials.
        clock: of the frames.
        layout: of the frames.
        mailbox: read by the thread that iterates.
    """

    def __init__(
        self, camera_id: str, shown: str, clock: Clock, layout: PictureFormat, mailbox: Mailbox
    ) -> None:
        self.clock = clock
        self.layout = layout
        self.leaving = threading.Event()
        #: Time of the last frame given; all others are later.
        self.last_mono_ns = 0
        #: Frames given so far.
        self.given = 0
        self._first_mono_ns: int | None = None
        self.camera_id = camera_id
        self._shown = shown
        self._mailbox = mailbox
        self._seq = 0
        self._ever_connected = False
        self._stalled_because = ""
        #: The call into a driver that is under way, and when it should be back.
        self._call: tuple[str, int] | None = None

    @contextlib.contextmanager
    def calling(self, doing: str, within_s: float) -> Iterator[None]:
        """Around a call into a driver that may hang for good.

        Args:
            doing: what it is to do, for a person.
            within_s: later than that, it does not come back.
        """
        self._call = (doing, self.clock.mono_ns() + round(within_s * NS_PER_S))
        try:
            yield
        finally:
            self._call = None

    def is_hanging(self) -> bool:
        """Whether a call into the driver does not come back; said once, by whoever asks."""
        call = self._call
        if call is None or self.clock.mono_ns() < call[1]:
            return False
        reason = f"the camera's driver hangs in {call[0]}, restart capture if it stays so"
        is_news = reason != self._stalled_because
        self.stalled(reason, hangs=True)
        return is_news

    def give(
        self,
        t_mono_ns: int,
        write: WritePixels,
        *,
        size: Size,
        missed: int = 0,
        light: Light | None = None,
    ) -> None:
        """A frame; whatever was wrong is over.

        Args:
            t_mono_ns: when it was taken, later than the one before.
            write: writes its pixels, in the announced layout.
            size: of the camera's picture, to be told.
            missed: frames that the camera took since the last one and that are not given.
            light: how it was exposed.
        """
        self._seen(size)
        self.last_mono_ns = t_mono_ns
        if self._first_mono_ns is None:
            self._first_mono_ns = t_mono_ns
        self._seq += missed
        info = frame_at(
            self.camera_id, self._seq, reading_at(self.clock, t_mono_ns), self.layout, light
        )
        self._seq += 1
        self.given += 1
        self._mailbox.put(SourceFrame(info, write))

    def begin(self) -> None:
        """A connection begins."""
        self._first_mono_ns = None

    @property
    def lasted_s(self) -> float | None:
        """From the connection's first frame to its last one; None if it gave none."""
        if self._first_mono_ns is None:
            return None
        return (self.last_mono_ns - self._first_mono_ns) / NS_PER_S

    def stalled(self, reason: str, *, hangs: bool = False) -> None:
        """There are no pictures, and why; each reason is told once."""
        if reason != self._stalled_because:
            self._stalled_because = reason
            detail = f"{reason}: {self._shown}, trying again"
            self._tell(SourceState.STALLED, detail, hangs=hangs)

    def _seen(self, size: Size) -> None:
        if self._ever_connected and not self._stalled_because:
            return
        pictures = f"{size.width_px}x{size.height_px}"
        if self._ever_connected:
            state, detail = SourceState.RECONNECTED, f"pictures again, {pictures}"
        else:
            state, detail = SourceState.CONNECTED, f"connected, {pictures}"
        self._ever_connected, self._stalled_because = True, ""
        self._tell(state, f"{detail} from {self._shown}")

    def _tell(self, state: SourceState, detail: str, *, hangs: bool = False) -> None:
        now_ns = self.clock.mono_ns()
        self._mailbox.put(SourceNotice(self.camera_id, state, detail, now_ns, hangs))


class LiveFrames:
    """The iterating half of a live camera's `Source`.

    Args:
        camera: how it is read.
        camera_id: the sensor it is.
        shown: what a person knows the camera by, without credentials.
        clock: what frames are timed by.
        layout: of all frames.
        observer: told in the iterating thread.
        coded: ended with each connection.
        jitter: source of randomness for the back-off; None: of its own.
        leave_s: how long leaving waits for the thread that reads.
    """

    def __init__(
        self,
        camera: LiveCamera,
        *,
        camera_id: str,
        shown: str,
        clock: Clock,
        layout: PictureFormat,
        observer: SourceObserver,
        coded: CodedStream | None,
        jitter: random.Random | None,
        leave_s: float = LEAVE_S,
    ) -> None:
        self._camera = camera
        self._camera_id = camera_id
        self._leave_s = leave_s
        self._shown = shown
        self._clock = clock
        self._layout = layout
        self._observer = observer
        self._coded = coded
        # Not for secrets: it only keeps a site's poles from trying again in step.
        self._jitter = jitter or random.Random()  # noqa: S311
        self._readers: list[_Reader] = []

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The camera's frames until `stop`; `seq` skips what came too fast to be taken."""
        if stop.is_set():
            return
        self.close()
        mailbox = Mailbox()
        output = LiveOutput(self._camera_id, self._shown, self._clock, self._layout, mailbox)
        reader = _Reader(self._camera, output, self._coded, self._jitter, tuple(self._readers))
        self._readers.append(reader)
        reader.start()
        try:
            while not stop.is_set():
                letters = mailbox.take(LOOK_S)
                while letters:
                    if isinstance(letters[0], SourceFrame):
                        # Not held here: whoever takes a frame decides for how long a driver's
                        # buffer is.
                        yield cast(SourceFrame, letters.pop(0))
                        if stop.is_set():
                            return
                    else:
                        self._observer(cast(SourceNotice, letters.pop(0)))
                if output.is_hanging() and self._coded is not None:
                    self._coded.end(StreamEnd.SOURCE_STALLED)
        finally:
            # The driver may take longer to let go than a stop may.
            output.leaving.set()

    def close(self) -> None:
        """End every reader; one whose driver hangs is left to itself."""
        for reader in self._readers:
            reader.leave(self._leave_s)
        self._readers = [reader for reader in self._readers if reader.is_alive()]


class _Reader(threading.Thread):
    """Reads one camera until told to leave: connects, reads, and again.

    It waits for `earlier` ones of the same camera: no two have it at once.
    """

    def __init__(
        self,
        camera: LiveCamera,
        output: LiveOutput,
        coded: CodedStream | None,
        jitter: random.Random,
        earlier: tuple[_Reader, ...],
    ) -> None:
        super().__init__(name=f"camera-{output.camera_id}", daemon=True)
        self._earlier = earlier
        self._camera = camera
        self._output = output
        self._coded = coded
        self._backoff = Backoff(jitter)

    def leave(self, wait_s: float) -> None:
        """Ask it to end, and wait a little for it."""
        self._output.leaving.set()
        if self.is_alive():
            self.join(wait_s)

    def run(self) -> None:
        output = self._output
        for one in self._earlier:
            while one.is_alive() and not output.leaving.is_set():
                output.stalled("its driver still hangs in what was asked of it before", hangs=True)
                one.join(LOOK_S)
        self._earlier = ()
        while not output.leaving.is_set():
            output.begin()
            is_slow = False
            try:
                self._camera.read(output)
                reason = "the camera ended the stream"
            except CameraAway as away:
                reason, is_slow = away.reason, away.is_slow
            except LensError as error:
                # Somebody set the camera to it, and may set it back.
                reason = f"{error.what} ({error.which}; {error.remedy})"
            except Exception as error:  # noqa: BLE001 - one camera must not end the others
                reason, is_slow = self._unforeseen(error), True
            if output.leaving.is_set():
                return
            if output.lasted_s is not None:
                self._backoff.worked(output.lasted_s)
            if self._coded is not None:
                self._coded.end(StreamEnd.SOURCE_STALLED)
            output.stalled(reason)
            if output.clock.wait(self._backoff.next_s(slowly=is_slow), output.leaving):
                return

    def _unforeseen(self, error: Exception) -> str:
        """What a mistake of ours, or of a library, is told as: where, and never its words.

        Those may hold the camera's address with its password.
        """
        places = traceback.extract_tb(error.__traceback__)
        where = f"{Path(places[-1].filename).name}:{places[-1].lineno}"
        steps = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(places))
        _log.error("%s: %s at %s", self._output.camera_id, type(error).__name__, steps)
        return f"reading it failed, which is a mistake of roeh ({type(error).__name__}, {where})"
