"""The next pictures of some cameras, and a snapshot drawn of them for the control room."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.config import NodeConfig
from roeh.core.moments import utc_text
from roeh.core.orders import SnapshotOrder
from roeh.core.types import Frame, Track
from roeh.core.views import ViewChoice
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.media.masks import mask_of
from roeh.media.snapshot import SNAPSHOT_SIZES, render_snapshot
from roeh.media.view_frame import words_of
from roeh.optics.configured import rig_from
from roeh.optics.lens import is_fisheye
from roeh.optics.view_layout import View, ViewMaker

_POLL_S = 0.25
#: A box of somebody not seen for longer shows where nobody is.
_LATELY_NS = NS_PER_S


class Snapshots:
    """Draws snapshots in the caller's thread; detect's loop only leaves pictures here.

    Args:
        config: its cameras, their masks, the pole's name.
        stop: nobody waits for a picture any more.
        timeout_s: a camera that gives no picture within this time gives none.
    """

    def __init__(self, config: NodeConfig, stop: threading.Event, timeout_s: float) -> None:
        self._stop = stop
        self._timeout_s = timeout_s
        self._node = f"{config.node.site}/{config.node.name}"
        self._masks = {section.name: mask_of(section) for section in config.sensors}
        self._views = ViewMaker(rig_from(config), at_most=2)
        self._awaited: _Awaited | None = None

    def see(self, frame: PixelFrame, tracks: Sequence[Track]) -> None:
        """A picture and what is followed in it; kept only where somebody waits for it."""
        awaited = self._awaited
        if awaited is not None:
            awaited.offer(frame, tracks)

    def take(self, order: SnapshotOrder) -> bytes | None:
        """The snapshot; None where no camera of it gave a picture."""
        choice = order.view.choice() if order.view else self._default(order.camera_id)
        view = self._view(order.camera_id, choice)
        shown = {view.sensors[piece.sensor].name for pane in view.panes for piece in pane.pieces}
        self._awaited = awaited = _Awaited(shown)
        for _ in range(math.ceil(self._timeout_s / _POLL_S)):
            if awaited.complete.wait(_POLL_S) or self._stop.is_set():
                break
        self._awaited = None
        frames = dict(awaited.frames)
        if not frames:
            return None
        newest = max((info for info, _ in frames.values()), key=lambda info: info.t_mono_ns)
        lines = [f"{self._node}  {utc_text(newest.t_utc_ns // NS_PER_US)}  {words_of(choice)}"]
        if len(frames) < len(shown):
            lines.append(f"no picture of {', '.join(sorted(shown.difference(frames)))}")
        return render_snapshot(
            view,
            {name: picture for name, (_, picture) in frames.items()},
            self._masks,
            [track for track in awaited.tracks if _is_drawn(track)],
            lines,
        )

    def _default(self, camera_id: str) -> ViewChoice:
        is_wide = is_fisheye(self._views.rig.sensor(camera_id).lens)
        return ViewChoice(layout="panorama" if is_wide else "picture")

    def _view(self, camera_id: str, choice: ViewChoice) -> View:
        rig = self._views.rig
        sensors = (rig.sensor(camera_id),) if choice.layout == "picture" else rig.sensors
        return self._views.view(sensors, choice, SNAPSHOT_SIZES[choice.layout])


class _Awaited:
    """Pictures that somebody waits for, one of each camera."""

    def __init__(self, camera_ids: set[str]) -> None:
        self.complete = threading.Event()
        self.frames: dict[str, tuple[Frame, UInt8Image]] = {}
        self.tracks: tuple[Track, ...] = ()
        self._missing = set(camera_ids)

    def offer(self, frame: PixelFrame, tracks: Sequence[Track]) -> None:
        camera_id = frame.info.camera_id
        if camera_id not in self._missing or self.complete.is_set():
            return
        # Its pixels belong to capture again as soon as detect has seen them.
        self.frames[camera_id] = frame.info, frame.bgr().copy()
        self.tracks = tuple(tracks)
        self._missing.discard(camera_id)
        if not self._missing:
            self.complete.set()


def _is_drawn(track: Track) -> bool:
    """Whether somebody is still where the box was."""
    return track.confirmed and track.t_mono_ns - track.last_seen_mono_ns <= _LATELY_NS
