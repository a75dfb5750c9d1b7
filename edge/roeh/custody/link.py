"""The way to a node's evidence: its running process, or its store when none runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EvidenceRefused, OutputRefused
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import (
    evidence_socket,
    ledger_dir,
    names_database,
    node_database,
    segments_dir,
)
from roeh.core.peers import VERB_MESSAGES, Role, Verb
from roeh.ledger.age import NodeAge
from roeh.ledger.checkpoints import CHECKPOINT_FILE
from roeh.ledger.custody import Custody, CustodyParts
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.holds import Holds
from roeh.ledger.locks import Locks
from roeh.ledger.log import Log
from roeh.ledger.names import NameBook

#: A process that listens takes a connection at once.
_PATIENCE_S = 0.3
_CALL_TIMEOUT_S = 30.0

_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)


class EvidenceLink(Protocol):
    """Answers the verbs of Role.CUSTODY."""

    @property
    def is_running(self) -> bool:
        """Whether it is the running process that answers."""
        ...

    def call(self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]) -> _AnswerT:
        """Ask and wait for the answer.

        Raises:
            RoehError: what was answered instead.
        """
        ...


@contextlib.contextmanager
def evidence_link(config: NodeConfig, clock: Clock) -> Iterator[EvidenceLink]:
    """The node's evidence process if it runs, and its store itself if not.

    Raises:
        PeerRefused: this user may not ask.
        EvidenceRefused: there is no store.
        StorageFailed: another program has the store open, or it cannot be read.
    """
    client = StreamClient(evidence_socket(config), Role.CUSTODY, clock, timeout_s=_CALL_TIMEOUT_S)
    with contextlib.closing(client):
        if client.wait_until_there(_PATIENCE_S):
            yield _ProcessLink(client)
            return
    with (
        _store(config) as database,
        contextlib.closing(NameBook(names_database(config))) as names,
    ):
        yield _StoreLink(config, clock, database, names)


class _ProcessLink:
    is_running = True

    def __init__(self, client: StreamClient) -> None:
        self._client = client

    def call(self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]) -> _AnswerT:
        return self._client.call(verb, request, answer_type)


class _StoreLink:
    """The store itself, with nobody else in it while this is open."""

    is_running = False

    def __init__(
        self, config: NodeConfig, clock: Clock, database: NodeDatabase, names: NameBook
    ) -> None:
        log = Log(database, clock, site=config.node.site, node=config.node.name)
        age = NodeAge(database, clock, log)
        self._custody = Custody(
            CustodyParts(
                database=database,
                log=log,
                age=age,
                locks=Locks(database, log, age, config.evidence),
                holds=Holds(database, log, clock, names),
                names=names,
                settings=config.evidence,
                segments_dir=segments_dir(config),
                checkpoint=_written_checkpoint(config),
                alarms=lambda: ("evidence does not run: nothing is recorded",),
            )
        )

    def call(self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]) -> _AnswerT:
        if verb not in self._custody.answerers:
            raise EvidenceRefused(
                what="no evidence process runs, and only that can do this",
                which=verb.value,
                remedy="start the node",
            )
        # Through the message's own border, so that both ways refuse the same.
        request = _again(request, VERB_MESSAGES[verb][0])
        return _again(self._custody.handle(verb, request), answer_type)


@contextlib.contextmanager
def _store(config: NodeConfig) -> Iterator[NodeDatabase]:
    path = node_database(config)
    with storage_errors(path):
        is_there = path.exists()
    if not is_there:
        raise EvidenceRefused(
            what="there is no evidence here, and no evidence process runs",
            which=str(path),
            remedy="check paths.data_dir and paths.run_dir in the configuration",
        )
    database = NodeDatabase(path)
    with contextlib.closing(database):
        yield database


def _written_checkpoint(config: NodeConfig) -> Callable[[], str | None]:
    path = ledger_dir(config) / CHECKPOINT_FILE

    def read() -> str | None:
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputRefused(
                what=f"the checkpoint cannot be read ({error.strerror})",
                which=str(path),
                remedy="run this as the user of evidence",
            ) from None

    return read


def _again(message: msgspec.Struct, as_type: type[_AnswerT]) -> _AnswerT:
    try:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=as_type)
    except msgspec.ValidationError as error:
        raise EvidenceRefused(
            what=f"that cannot be asked ({error})",
            which=type(message).__name__,
            remedy="give shorter texts and times that can be",
        ) from None
