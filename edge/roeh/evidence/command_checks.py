"""Whether a command may be carried out: what desk.md says, in its order. Pure."""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.orders import (
    MAX_COMMAND_LIFE_US,
    MAX_HOLD_AHEAD_US,
    MAX_SCHEDULE_AHEAD_US,
    Command,
    DeterOrder,
    HoldOrder,
    LastingOrder,
    OperationOrder,
    Order,
    Reason,
    ResendOrder,
    ScheduleOrder,
    SnapshotOrder,
)
from roeh.ledger.command_rows import Horizon


class Named(msgspec.Struct, frozen=True):
    """What the node has that an order can mean, by name."""

    cameras: frozenset[str]
    rules: frozenset[str]
    operations: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()


def why_refused(
    command: Command, now: ClockReading, horizon: Horizon, named: Named
) -> Reason | None:
    """Why a command that is signed, for this node and new is refused; None: it is accepted.

    The clock may be off by its stated error in either direction: the one that refuses counts.
    """
    if command.boot_id != now.boot_id:
        return Reason.ANOTHER_BOOT
    is_harmless = isinstance(command.order, ResendOrder)
    if not now.synchronised and not is_harmless:
        return Reason.CLOCK_NOT_SYNCHRONISED
    refused = _untimely(command, now, horizon) if now.synchronised else None
    if refused is not None:
        return refused
    life_us = command.expires_utc_us - command.not_before_utc_us
    if not 0 < life_us <= MAX_COMMAND_LIFE_US:
        return Reason.LIVES_TOO_LONG
    return _meaningless(command.order, now, named)


def _untimely(command: Command, now: ClockReading, horizon: Horizon) -> Reason | None:
    now_us = now.t_utc_ns // NS_PER_US
    error_us = -(-now.utc_error_ns // NS_PER_US)
    if now_us - error_us < command.not_before_utc_us:
        return Reason.NOT_YET
    if command.expires_utc_us <= max(now_us + error_us, horizon.expired_utc_us):
        return Reason.EXPIRED
    if horizon.rebuilt_mono_us is not None and not isinstance(command.order, ResendOrder):
        rebuilt_us = now_us - (now.t_mono_ns // NS_PER_US - horizon.rebuilt_mono_us)
        if command.not_before_utc_us <= rebuilt_us + error_us:
            return Reason.BEFORE_REBUILD
    return None


def _meaningless(order: Order, now: ClockReading, named: Named) -> Reason | None:
    """An order for what is not there, or for a time that is none."""
    now_us = now.t_utc_ns // NS_PER_US
    if isinstance(order, SnapshotOrder):
        return _without_camera((order.camera_id,), named)
    if isinstance(order, HoldOrder):
        return _without_camera(order.camera_ids, named) or _wrong_span(order, now_us)
    if isinstance(order, ScheduleOrder) and order.rule not in named.rules:
        return Reason.NO_SUCH_RULE
    if isinstance(order, OperationOrder) and order.operation not in named.operations:
        return Reason.NO_SUCH_OPERATION
    if isinstance(order, DeterOrder) and order.output not in named.outputs:
        return Reason.NO_SUCH_OUTPUT
    return _wrong_end(order, now_us) if isinstance(order, LastingOrder) else None


def _without_camera(camera_ids: tuple[str, ...], named: Named) -> Reason | None:
    return None if named.cameras.issuperset(camera_ids) else Reason.NO_SUCH_CAMERA


def _wrong_span(order: HoldOrder, now_us: int) -> Reason | None:
    if order.from_utc_us >= order.to_utc_us:
        return Reason.SPAN_IS_EMPTY
    return Reason.TOO_FAR_AHEAD if order.to_utc_us - now_us > MAX_HOLD_AHEAD_US else None


def _wrong_end(order: LastingOrder, now_us: int) -> Reason | None:
    if order.until_utc_us <= now_us:
        return Reason.OVER_ALREADY
    return Reason.TOO_FAR_AHEAD if order.until_utc_us - now_us > MAX_SCHEDULE_AHEAD_US else None
