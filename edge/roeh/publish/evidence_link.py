"""publish's end of the stream to evidence."""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path
from typing import Protocol

from roeh.core.clock import Clock
from roeh.core.errors import PeerRefused, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import (
    ConnectionBegin,
    ConnectionNumber,
    Done,
    LeaseOutbox,
    NodeStatus,
    NodeStatusRequest,
    OutboxBatch,
    OutboxDelivered,
    OutboxRefused,
    Role,
    Verb,
)
from roeh.core.types import ProcessReport
from roeh.publish.inbox import Inbox, Leased, LeaseFailed

_CALL_TIMEOUT_S = 5.0
#: Evidence looks at its open segments before it answers.
_START_PATIENCE_S = 10.0


class Evidence(Protocol):
    """What publish asks of evidence. All but `lease` raise RoehError when it cannot answer."""

    def lease(self, request: LeaseOutbox) -> None:
        """Ask for rows; the answer comes into the inbox. One at a time."""
        ...

    def delivered(self, rows: tuple[int, ...]) -> None:
        """The broker took these rows."""
        ...

    def refused(self, row: int, reason_code: int) -> None:
        """The broker refused this row."""
        ...

    def begin_connection(self) -> int:
        """The number of the next connection, greater than all before."""
        ...

    def report(self, report: ProcessReport) -> None:
        """How publish is."""
        ...

    def status(self) -> NodeStatus:
        """How the node is."""
        ...


class EvidenceLink:
    """The real one: a lease may wait long, so it has a stream and a thread of its own."""

    def __init__(self, socket_path: Path, clock: Clock, inbox: Inbox) -> None:
        self._calls = StreamClient(socket_path, Role.PUBLISH, clock, timeout_s=_CALL_TIMEOUT_S)
        self._leases = StreamClient(socket_path, Role.PUBLISH, clock, timeout_s=_CALL_TIMEOUT_S)
        self._inbox = inbox
        self._requests: queue.SimpleQueue[LeaseOutbox | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve_leases, name="lease", daemon=True)
        self._thread.start()

    def wait_until_there(self, stop: threading.Event) -> None:
        """Give evidence, which starts at the same time, a moment; it need not be in time."""
        with contextlib.suppress(PeerRefused):  # told again, and handled, by the first call
            self._calls.wait_until_there(_START_PATIENCE_S, stop)

    def lease(self, request: LeaseOutbox) -> None:
        """Ask for rows; the answer comes into the inbox."""
        self._requests.put(request)

    def delivered(self, rows: tuple[int, ...]) -> None:
        """The broker took these rows."""
        self._calls.call(Verb.OUTBOX_DELIVERED, OutboxDelivered(rows), Done)

    def refused(self, row: int, reason_code: int) -> None:
        """The broker refused this row."""
        self._calls.call(Verb.OUTBOX_REFUSED, OutboxRefused(row, reason_code), Done)

    def begin_connection(self) -> int:
        """The number of the next connection."""
        return self._calls.call(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber).number

    def report(self, report: ProcessReport) -> None:
        """How publish is."""
        self._calls.call(Verb.PROCESS_REPORT, report, Done)

    def status(self) -> NodeStatus:
        """How the node is."""
        return self._calls.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)

    def close(self) -> None:
        """Let both streams go, a waiting lease with them."""
        self._requests.put(None)
        self._leases.close()
        self._calls.close()
        self._thread.join(_CALL_TIMEOUT_S)

    def _serve_leases(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                batch = self._leases.call(
                    Verb.OUTBOX_LEASE,
                    request,
                    OutboxBatch,
                    timeout_s=request.wait_s + _CALL_TIMEOUT_S,
                )
            except RoehError as error:
                self._inbox.put(LeaseFailed(error))
            else:
                self._inbox.put(Leased(batch))
