"""What a control room is told, one notice at a time."""

from __future__ import annotations

import msgspec

from roeh.core.orders import SeqRange
from roeh.core.types import Alert, Tombstone
from roeh.desk.pole import Pole
from roeh.transport.messages import HealthMessage, StateMessage


class AlertArrived(msgspec.Struct, frozen=True, tag="alert"):
    """An alert, the first time it arrives, with its picture unless that comes too late.

    Attributes:
        delay_us: from the rule being true (pole's clock) to arrival (this clock).
    """

    pole: Pole
    alert: Alert
    thumbnail: bytes | None
    delay_us: int


class ThumbnailArrived(msgspec.Struct, frozen=True, tag="thumbnail"):
    """A picture that came after its alert was told without one."""

    pole: Pole
    alert_id: str
    thumbnail: bytes


class AlertEvicted(msgspec.Struct, frozen=True, tag="evicted"):
    """The pole had no room to keep this alert until it could be sent."""

    pole: Pole
    tombstone: Tombstone


class AlertsMissing(msgspec.Struct, frozen=True, tag="missing"):
    """Numbers of the pole's count that others have overtaken, and that still do not come."""

    pole: Pole
    ranges: tuple[SeqRange, ...]


class PoleOnline(msgspec.Struct, frozen=True, tag="online"):
    """The pole is connected."""

    pole: Pole
    state: StateMessage


class PoleOffline(msgspec.Struct, frozen=True, tag="offline"):
    """The pole said goodbye, or the broker says that it is gone."""

    pole: Pole
    state: StateMessage


class PoleSilent(msgspec.Struct, frozen=True, tag="silent"):
    """The pole counts as connected and its heartbeat does not come."""

    pole: Pole
    age_us: int


class PoleCondition(msgspec.Struct, frozen=True, tag="condition"):
    """The pole's condition changed: blind, degraded, ok."""

    pole: Pole
    health: HealthMessage


Notice = (
    AlertArrived
    | ThumbnailArrived
    | AlertEvicted
    | AlertsMissing
    | PoleOnline
    | PoleOffline
    | PoleSilent
    | PoleCondition
)
