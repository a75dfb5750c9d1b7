"""What the control room may order detect to do: show a picture, change a rule's hours."""

from __future__ import annotations

import math
import threading

from roeh.core.clock import NS_PER_US
from roeh.core.config import NodeConfig
from roeh.core.delivery import OrderItem
from roeh.core.order_listener import Carried, not_its_order
from roeh.core.orders import Outcome, Reason, ScheduleOrder, SnapshotOrder
from roeh.media.frames import PixelFrame
from roeh.media.masks import mask_of
from roeh.media.thumbnail import render_snapshot
from roeh.vision.rules import OrderedSchedule, RuleEngine

#: A camera that gives no picture within this time gives none.
SNAPSHOT_TIMEOUT_S = 10.0

_POLL_S = 0.25


class DetectOrders:
    """Carries orders out in the listener's thread; `see` is told of pictures by the loop.

    Args:
        config: its cameras and their masks.
        rules: whose hours are changed.
        stop: nobody waits for a picture any more.
    """

    def __init__(
        self,
        config: NodeConfig,
        rules: RuleEngine,
        stop: threading.Event,
        *,
        timeout_s: float = SNAPSHOT_TIMEOUT_S,
    ) -> None:
        self._rules = rules
        self._stop = stop
        self._timeout_s = timeout_s
        self._masks = {section.name: mask_of(section) for section in config.sensors}
        self._awaited: _Awaited | None = None

    def carry_out(self, item: OrderItem) -> Carried:
        """Do it, or say why it cannot be done."""
        order = item.order
        if isinstance(order, SnapshotOrder):
            return self._show(order.camera_id)
        if isinstance(order, ScheduleOrder):
            return self._order_schedule(order, item.until_mono_us)
        return not_its_order(item)

    def see(self, frame: PixelFrame) -> None:
        """A picture; one that somebody waits for is kept, small and masked."""
        awaited, camera_id = self._awaited, frame.info.camera_id
        if awaited is None or awaited.camera_id != camera_id:
            return
        self._awaited = None
        awaited.picture_jpeg = render_snapshot(frame, self._masks[camera_id])
        awaited.came.set()

    def _show(self, camera_id: str) -> Carried:
        """The next picture of a camera."""
        self._awaited = awaited = _Awaited(camera_id)
        for _ in range(math.ceil(self._timeout_s / _POLL_S)):
            if awaited.came.wait(_POLL_S) or self._stop.is_set():
                break
        self._awaited = None
        if awaited.picture_jpeg is None:
            return Carried(Outcome.FAILED, Reason.NO_PICTURE.value)
        return Carried(picture_jpeg=awaited.picture_jpeg)

    def _order_schedule(self, order: ScheduleOrder, until_mono_us: int | None) -> Carried:
        ordered = None
        if order.mode != "as_configured" and until_mono_us is not None:
            ordered = OrderedSchedule(order.mode == "always", until_mono_us * NS_PER_US)
        if not self._rules.order(order.rule, ordered):
            return Carried(Outcome.FAILED, Reason.NO_SUCH_RULE.value)
        return Carried()


class _Awaited:
    """A picture that somebody waits for."""

    def __init__(self, camera_id: str) -> None:
        self.camera_id = camera_id
        self.came = threading.Event()
        self.picture_jpeg: bytes | None = None
