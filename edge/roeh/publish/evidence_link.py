"""publish's end of the streams to evidence."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from roeh.core.clock import Clock
from roeh.core.delivery import (
    AcknowledgeOutbox,
    AnswerBatch,
    AnswersDelivered,
    CheckpointProof,
    CheckpointProofRequest,
    ConnectionBegin,
    ConnectionNumber,
    KeepCosignature,
    LeaseAnswers,
    LeaseOutbox,
    OutboxAcknowledged,
    OutboxBatch,
    OutboxDelivered,
    OutboxRefused,
    TakeCommand,
)
from roeh.core.errors import PeerRefused, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import Done, NodeStatus, NodeStatusRequest, Role, Verb
from roeh.core.retrieval import OfferTrustList, TrustHeld
from roeh.core.types import ProcessReport
from roeh.publish.inbox import (
    AnswerLeaseFailed,
    AnswersLeased,
    Happening,
    Inbox,
    Leased,
    LeaseFailed,
)

_CALL_TIMEOUT_S = 5.0
#: Evidence looks at its open segments before it answers.
_START_PATIENCE_S = 10.0


class Evidence(Protocol):
    """What publish asks of evidence. All but the leases raise RoehError when it cannot answer."""

    def lease(self, request: LeaseOutbox) -> None:
        """Ask for rows; the answer comes into the inbox. One at a time."""
        ...

    def delivered(self, rows: tuple[int, ...]) -> None:
        """The broker took these rows."""
        ...

    def refused(self, row: int, reason_code: int) -> None:
        """The broker refused this row."""
        ...

    def acknowledge(self, statement: bytes) -> tuple[int, ...]:
        """What came on `down/ack`; the rows that the desk has."""
        ...

    def keep_cosignature(self, note: str) -> None:
        """What came on `down/cosign`."""
        ...

    def offer_trust_list(self, signed: bytes) -> None:
        """What came on `down/trust`."""
        ...

    def checkpoint_proof(self) -> CheckpointProof:
        """The newest checkpoint and how it continues the last cosigned one."""
        ...

    def take_command(self, statement: bytes) -> None:
        """What came on `down/cmd`."""
        ...

    def lease_answers(self, request: LeaseAnswers) -> None:
        """Ask for answers to commands; they come into the inbox. One at a time."""
        ...

    def answers_delivered(self, rows: tuple[int, ...]) -> None:
        """The broker has these answers."""
        ...

    def begin_connection(self, at_least: int) -> ConnectionNumber:
        """The number of the next connection, greater than all before and than `at_least`."""
        ...

    def report(self, report: ProcessReport) -> None:
        """How publish is."""
        ...

    def status(self) -> NodeStatus:
        """How the node is."""
        ...


_RequestT = TypeVar("_RequestT", LeaseOutbox, LeaseAnswers)
_BatchT = TypeVar("_BatchT", OutboxBatch, AnswerBatch)


class _LongPoll(Generic[_RequestT, _BatchT]):
    """A stream and a thread of its own: what it asks may wait long for its answer."""

    def __init__(
        self,
        stream: StreamClient,
        inbox: Inbox,
        verb: Verb,
        *,
        batch_type: type[_BatchT],
        came: Callable[[_BatchT], Happening],
        failed: Callable[[RoehError], Happening],
    ) -> None:
        self._stream = stream
        self._inbox = inbox
        self._verb = verb
        self._batch_type: type[_BatchT] = batch_type
        self._came: Callable[[_BatchT], Happening] = came
        self._failed = failed
        self._requests: queue.SimpleQueue[_RequestT | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=verb.value, daemon=True)
        self._thread.start()

    def ask(self, request: _RequestT) -> None:
        self._requests.put(request)

    def close(self) -> None:
        self._requests.put(None)
        self._stream.close()
        self._thread.join(_CALL_TIMEOUT_S)

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            timeout_s = request.wait_s + _CALL_TIMEOUT_S
            try:
                batch = self._stream.call(
                    self._verb, request, self._batch_type, timeout_s=timeout_s
                )
            except RoehError as error:
                self._inbox.put(self._failed(error))
            else:
                self._inbox.put(self._came(batch))


class EvidenceLink:
    """The real one."""

    def __init__(self, socket_path: Path, clock: Clock, inbox: Inbox) -> None:
        def stream() -> StreamClient:
            return StreamClient(socket_path, Role.PUBLISH, clock, timeout_s=_CALL_TIMEOUT_S)

        self._calls = stream()
        self._rows: _LongPoll[LeaseOutbox, OutboxBatch] = _LongPoll(
            stream(),
            inbox,
            Verb.OUTBOX_LEASE,
            batch_type=OutboxBatch,
            came=Leased,
            failed=LeaseFailed,
        )
        self._answers: _LongPoll[LeaseAnswers, AnswerBatch] = _LongPoll(
            stream(),
            inbox,
            Verb.ANSWERS_LEASE,
            batch_type=AnswerBatch,
            came=AnswersLeased,
            failed=AnswerLeaseFailed,
        )

    def wait_until_there(self, stop: threading.Event) -> None:
        """Give evidence, which starts at the same time, a moment; it need not be in time."""
        with contextlib.suppress(PeerRefused):  # told again, and handled, by the first call
            self._calls.wait_until_there(_START_PATIENCE_S, stop)

    def lease(self, request: LeaseOutbox) -> None:
        """Ask for rows; the answer comes into the inbox."""
        self._rows.ask(request)

    def delivered(self, rows: tuple[int, ...]) -> None:
        """The broker took these rows."""
        self._tell(Verb.OUTBOX_DELIVERED, OutboxDelivered(rows))

    def refused(self, row: int, reason_code: int) -> None:
        """The broker refused this row."""
        self._tell(Verb.OUTBOX_REFUSED, OutboxRefused(row, reason_code))

    def acknowledge(self, statement: bytes) -> tuple[int, ...]:
        """What came on `down/ack`; the rows that the desk has."""
        request = AcknowledgeOutbox(statement)
        return self._calls.call(Verb.OUTBOX_ACKNOWLEDGE, request, OutboxAcknowledged).rows

    def keep_cosignature(self, note: str) -> None:
        """What came on `down/cosign`."""
        self._tell(Verb.COSIGNATURE_KEEP, KeepCosignature(note))

    def offer_trust_list(self, signed: bytes) -> None:
        """What came on `down/trust`."""
        self._calls.call(Verb.TRUST_OFFER, OfferTrustList(signed, "mqtt"), TrustHeld)

    def checkpoint_proof(self) -> CheckpointProof:
        """The newest checkpoint and how it continues the last cosigned one."""
        return self._calls.call(Verb.CHECKPOINT_PROOF, CheckpointProofRequest(), CheckpointProof)

    def take_command(self, statement: bytes) -> None:
        """What came on `down/cmd`."""
        self._tell(Verb.COMMAND_TAKE, TakeCommand(statement))

    def lease_answers(self, request: LeaseAnswers) -> None:
        """Ask for answers to commands; they come into the inbox."""
        self._answers.ask(request)

    def answers_delivered(self, rows: tuple[int, ...]) -> None:
        """The broker has these answers."""
        self._tell(Verb.ANSWERS_DELIVERED, AnswersDelivered(rows))

    def begin_connection(self, at_least: int) -> ConnectionNumber:
        """The number of the next connection."""
        return self._calls.call(Verb.CONNECTION_BEGIN, ConnectionBegin(at_least), ConnectionNumber)

    def report(self, report: ProcessReport) -> None:
        """How publish is."""
        self._tell(Verb.PROCESS_REPORT, report)

    def status(self) -> NodeStatus:
        """How the node is."""
        return self._calls.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)

    def close(self) -> None:
        """Let the streams go, waiting leases with them."""
        self._rows.close()
        self._answers.close()
        self._calls.close()

    def _tell(self, verb: Verb, request: msgspec.Struct) -> None:
        self._calls.call(verb, request, Done)
