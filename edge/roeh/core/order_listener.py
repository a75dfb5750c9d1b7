"""Orders that evidence verified, taken by the process that they are for.

A thread of its own asks evidence (a long poll) and never disturbs the process: while evidence
is away it asks again, later and later. Each order comes once. What every process knows is done
here: to end, so that it is started anew, and how much to say. The rest is for the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.delivery import OrderDone, OrderItem, Orders, TakeOrders
from roeh.core.errors import PeerGone, RoehError, StorageFailed, StorageFull
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for, set_log_level
from roeh.core.orders import LogLevelOrder, Outcome, Reason, RestartOrder
from roeh.core.peers import Done, Role, Verb

_WAIT_S = 25.0
_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.2
_MAX_BACKOFF_S = 5.0

_log = log_for("orders")


class Carried(msgspec.Struct, frozen=True):
    """What became of an order that a process tried to carry out."""

    outcome: Outcome = Outcome.DONE
    reason: str = ""
    picture: bytes | None = None


CarryOut = Callable[[OrderItem], Carried]
"""Carries out one order; called in the listener's thread, and may take its time."""


def not_its_order(_item: OrderItem) -> Carried:
    """What a process says to an order that it does not know."""
    return Carried(Outcome.FAILED, Reason.NOT_ITS_ORDER.value)


class OrderListener:
    """Takes the orders of one process until `close`.

    Args:
        socket_path: evidence's.
        role: of this process.
        stop: set when the process is ordered to end; it ends as it does when told to.
        carry_out: does what only this process can.
    """

    def __init__(
        self,
        socket_path: Path,
        role: Role,
        clock: Clock,
        stop: threading.Event,
        carry_out: CarryOut = not_its_order,
    ) -> None:
        self._role = role
        self._clock = clock
        self._stop = stop
        self._carry_out = carry_out
        self._client = StreamClient(socket_path, role, clock, timeout_s=_TIMEOUT_S)
        self._closing = threading.Event()
        # -1 until evidence has answered once: it tells that this process was just started.
        self._after = -1
        self._caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)
        self._thread.start()

    @property
    def has_caught_up(self) -> bool:
        """Whether orders of before, that still hold, were taken and carried out."""
        return self._caught_up.is_set()

    def close(self) -> None:
        """Take no more orders."""
        self._closing.set()
        self._client.close()
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        refused = False
        while not self._closing.is_set():
            try:
                self._take()
                self._caught_up.set()
                backoff_s, refused = _FIRST_BACKOFF_S, False
            except RoehError as error:
                if not refused and not isinstance(error, PeerGone):
                    log_error(_log, error)
                    refused = True
                self._clock.wait(backoff_s, self._closing)
                backoff_s = min(_MAX_BACKOFF_S, 2 * backoff_s)

    def _take(self) -> None:
        request = TakeOrders(after=self._after, wait_s=_WAIT_S)
        orders = self._client.call(
            Verb.ORDERS_TAKE, request, Orders, timeout_s=_WAIT_S + _TIMEOUT_S
        )
        self._after = max(0, self._after)
        for item in orders.items:
            # Before it is carried out: whatever happens then, it is not done twice.
            self._after = max(self._after, item.row)
            self._do(item)

    def _do(self, item: OrderItem) -> None:
        order = item.order
        if isinstance(order, RestartOrder):
            # Evidence knows that it is done by the process that is started then.
            _log.info("ordered to start anew")
            self._stop.set()
            return
        if isinstance(order, LogLevelOrder):
            set_log_level(order.level)
            carried = Carried()
        else:
            carried = self._carry_out(item)
        self._tell(
            OrderDone(
                row=item.row,
                outcome=carried.outcome,
                reason=carried.reason,
                picture=carried.picture,
            )
        )

    def _tell(self, done: OrderDone) -> None:
        """Until evidence has heard it: what is told twice counts once."""
        backoff_s = _FIRST_BACKOFF_S
        while not self._closing.is_set():
            try:
                self._client.call(Verb.ORDER_DONE, done, Done)
            except (PeerGone, StorageFailed, StorageFull):
                self._clock.wait(backoff_s, self._closing)
                backoff_s = min(_MAX_BACKOFF_S, 2 * backoff_s)
            else:
                return
