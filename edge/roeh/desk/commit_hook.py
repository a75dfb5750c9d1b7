"""What is done in the very transaction in which ingest commits messages: alarms are.

Ingest knows only this; who makes it gives it an object that does it (desk/alarms).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from roeh.core.types import Alert
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction


class CertificateEnd(msgspec.Struct, frozen=True):
    """When the certificate of a part of the desk, or of the broker, ends."""

    service: str
    ends_utc_us: int


class DeskFacts(msgspec.Struct, frozen=True):
    """What is known of the desk itself.

    Attributes:
        is_listening: the broker hands over what poles say.
        since_utc_us: since when that is so, or is not, without a break or a step of the
            clock; in the time of the clock as it is now.
        certificates: those that are known.
    """

    is_listening: bool
    since_utc_us: int
    certificates: tuple[CertificateEnd, ...] = ()


class CommitHook(Protocol):
    """Called by ingest inside its transactions; what it writes is committed with the rest.

    It must not wait for anything. A RoehError rolls the transaction back: nothing of it is
    acknowledged, and it is tried again.
    """

    def on_alerts(self, transaction: Transaction, alerts: Sequence[Alert], now_utc_us: int) -> None:
        """These messages are new; each is told once, in no order that means anything."""
        ...

    def on_two_payloads(
        self, transaction: Transaction, pole: Pole, message_id: str, now_utc_us: int
    ) -> None:
        """A pole gave two different messages one id; the first one is kept."""
        ...

    def on_count_again(
        self, transaction: Transaction, pole: Pole, seq: int, now_utc_us: int
    ) -> None:
        """A pole gave a number a second time: it counts its alerts anew from there or before."""
        ...

    def on_witness_alarm(self, transaction: Transaction, row: int, now_utc_us: int) -> None:
        """This row of `witness_alarm` is new."""
        ...

    def on_time(self, transaction: Transaction, desk: DeskFacts, now_utc_us: int) -> None:
        """Each second: tables of poles and of what is missing are as ingest sees them."""
        ...


class NoHook:
    """For who keeps messages and has no alarms."""

    def on_alerts(self, transaction: Transaction, alerts: Sequence[Alert], now_utc_us: int) -> None:
        """Nothing."""

    def on_two_payloads(
        self, transaction: Transaction, pole: Pole, message_id: str, now_utc_us: int
    ) -> None:
        """Nothing."""

    def on_count_again(
        self, transaction: Transaction, pole: Pole, seq: int, now_utc_us: int
    ) -> None:
        """Nothing."""

    def on_witness_alarm(self, transaction: Transaction, row: int, now_utc_us: int) -> None:
        """Nothing."""

    def on_time(self, transaction: Transaction, desk: DeskFacts, now_utc_us: int) -> None:
        """Nothing."""
