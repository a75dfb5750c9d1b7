"""What the control room may order detect to do: a picture, hours of a rule, an operation."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from roeh.core.clock import NS_PER_US
from roeh.core.config import NodeConfig
from roeh.core.delivery import OrderItem
from roeh.core.order_listener import Carried, not_its_order
from roeh.core.orders import OperationOrder, Outcome, Reason, ScheduleOrder, SnapshotOrder
from roeh.core.types import Track
from roeh.detect.snapshots import Snapshots
from roeh.media.frames import PixelFrame
from roeh.vision.rules import OrderedOperation, OrderedSchedule, RuleEngine

#: A camera that gives no picture within this time gives none.
SNAPSHOT_TIMEOUT_S = 10.0


class DetectOrders:
    """Carries orders out in the listener's thread; `see` is told of pictures by the loop.

    Args:
        config: its cameras and their masks.
        rules: whose hours and operations are changed.
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
        self._snapshots = Snapshots(config, stop, timeout_s)

    def carry_out(self, item: OrderItem) -> Carried:
        """Do it, or say why it cannot be done."""
        order = item.order
        if isinstance(order, SnapshotOrder):
            return self._show(order)
        if isinstance(order, ScheduleOrder):
            return self._order_schedule(order, item.until_mono_us)
        if isinstance(order, OperationOrder):
            return self._order_operation(order, item)
        return not_its_order(item)

    def see(self, frame: PixelFrame, tracks: Sequence[Track] = ()) -> None:
        """A picture and what is followed; kept where somebody waits for it."""
        self._snapshots.see(frame, tracks)

    def _show(self, order: SnapshotOrder) -> Carried:
        """The next picture, as it is wanted."""
        picture = self._snapshots.take(order)
        if picture is None:
            return Carried(Outcome.FAILED, Reason.NO_PICTURE.value)
        return Carried(picture=picture)

    def _order_schedule(self, order: ScheduleOrder, until_mono_us: int | None) -> Carried:
        ordered = None
        if order.mode != "as_configured" and until_mono_us is not None:
            ordered = OrderedSchedule(order.mode == "always", until_mono_us * NS_PER_US)
        if not self._rules.order(order.rule, ordered):
            return Carried(Outcome.FAILED, Reason.NO_SUCH_RULE.value)
        return Carried()

    def _order_operation(self, order: OperationOrder, item: OrderItem) -> Carried:
        ordered = OrderedOperation(
            is_in_force=None if order.mode == "as_configured" else order.mode == "begin",
            until_mono_ns=(item.until_mono_us or 0) * NS_PER_US,
            command_id=item.command_id,
        )
        if not self._rules.operations.order(order.operation, ordered):
            return Carried(Outcome.FAILED, Reason.NO_SUCH_OPERATION.value)
        return Carried()
