"""Video files: any that FFmpeg reads, at their own pace or as fast as asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType

from roeh.core.clock import Clock
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.sources.footage import Footage, fitted
from roeh.sources.protocol import (
    SourceFrame,
    SourceNotice,
    SourceObserver,
    SourceState,
    ignore_notices,
)
from roeh.sources.timeline import Pacer, frame_at


class FileFrames:
    """The `Source` of a video file.

    Args:
        path: of the file.
        camera_id: the sensor it stands for.
        clock: times start where it stands when the first frame is asked for.
        paced: whether frames come at the footage's own pace.
        loop: whether the file starts again at its end.
        lens_size: the picture that the sensor's lens is for; None takes the file's.
        observer: told of the end and its reason.
    """

    def __init__(
        self,
        path: str,
        *,
        camera_id: str,
        clock: Clock,
        paced: bool,
        loop: bool = False,
        lens_size: Size | None = None,
        observer: SourceObserver = ignore_notices,
    ) -> None:
        self.camera_id = camera_id
        self._footage = Footage(path, loop=loop)
        self._clock = clock
        self._pacer = Pacer(clock, paced=paced)
        self._lens_size = lens_size
        self._observer = observer
        self._format: PictureFormat | None = None

    def __enter__(self) -> FileFrames:
        """Open the file.

        Raises:
            SourceUnreadable: it is not there or is not video.
            LensError: its pictures cannot be this lens's.
        """
        self._footage.__enter__()
        try:
            self._format = fitted(self._footage.facts.size, self._lens_size, self._footage.path)
        except BaseException:
            self._footage.close()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._footage.close()

    @property
    def format(self) -> PictureFormat:
        """Size and layout of all frames."""
        if self._format is None:
            raise RuntimeError("a source is used before it is entered")
        return self._format

    @property
    def fps(self) -> float:
        """Frames a second as the file declares them."""
        return self._footage.facts.fps

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The file's frames; every one is decoded, whether its pixels are wanted or not."""
        self._notify(SourceState.CONNECTED, f"reading {self._footage.path}")
        for seq, shot in enumerate(self._footage.pictures()):
            at = self._pacer.wait_until(shot.since_ns, stop)
            if at is None:
                return
            info = frame_at(self.camera_id, seq, at, self.format)
            yield SourceFrame(info, partial(shot.picture.write_into, wanted=self.format))
        self._notify(SourceState.ENDED, self._footage.note)

    def _notify(self, state: SourceState, detail: str) -> None:
        self._observer(SourceNotice(self.camera_id, state, detail, self._clock.mono_ns()))
