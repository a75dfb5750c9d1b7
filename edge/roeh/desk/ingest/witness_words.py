"""What witnesses say to the desk: cosignatures of its audit, and alarms about ledgers.

And what they are told: the checkpoints of the audit. Not called inside a transaction.
"""

from __future__ import annotations

import contextlib
import hashlib

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import DeskFailed, EvidenceRefused, HistoryForked, MessageRefused
from roeh.desk.audit.checkpoints import AuditCheckpoints
from roeh.desk.audit.log import audit_origin
from roeh.desk.commit_hook import CommitHook
from roeh.desk.keys import AUDIT_SITE
from roeh.desk.known_witnesses import WITNESSES_FILE, known_witnesses
from roeh.desk.store import DeskStore
from roeh.desk.witness.alarm import alarm_topic, open_witness_alarms, witness_of_topic
from roeh.transport.messages import Incoming, Outgoing, checkpoint_message
from roeh.transport.topics import Channel, Topic

#: Words that wait for the database: witnesses repeat what is not answered.
_MOST_UNKEPT = 100
#: What a cosignature says of an audit that is not the one it is of.
_CONTRADICTED = "another_audit"


class WitnessWords:
    """Hears witnesses and speaks to them, for one thread.

    Args:
        hook: is told of each new alarm in the transaction that keeps it.
    """

    def __init__(
        self,
        config: DeskConfig,
        store: DeskStore,
        hook: CommitHook,
        checkpoints: AuditCheckpoints,
        clock: Clock,
    ) -> None:
        self._store = store
        self._hook = hook
        self._checkpoints = checkpoints
        self._clock = clock
        self._known = known_witnesses(config)
        self._origin = audit_origin(config.name)
        self._unkept: list[Incoming] = []
        self._cosign_topic = str(Topic(AUDIT_SITE, config.name, Channel.COSIGN))

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to; each desk of a group hears all of it."""
        return self._cosign_topic, alarm_topic("+")

    def takes(self, topic: str) -> bool:
        """Whether a message on this topic is a witness's."""
        return topic == self._cosign_topic or witness_of_topic(topic) is not None

    def hear(self, incoming: Incoming) -> None:
        """Keep what a witness said, if it is believed; when the database takes it again.

        Raises:
            MessageRefused: it is not believed.
        """
        try:
            self._hear(incoming)
        except DeskFailed:
            self._unkept = [*self._unkept[-_MOST_UNKEPT:], incoming]

    def _hear(self, incoming: Incoming) -> None:
        witness = witness_of_topic(incoming.topic)
        if witness is not None:
            self._hear_alarms(incoming.payload, witness)
            return
        try:
            text = incoming.payload.decode("utf-8")
            self._checkpoints.keep_cosigned(text, self._known.cosigners)
        except HistoryForked:
            self._keep_alarm("cosigned", self._origin, _CONTRADICTED, incoming.payload)
        except (EvidenceRefused, UnicodeDecodeError) as error:
            raise MessageRefused(
                what=f"a cosignature that is not believed ({error})",
                which=incoming.topic,
                remedy=f"check which witness answers, and {WITNESSES_FILE} in the desk's keys",
            ) from None

    def due(self) -> Outgoing | None:
        """The checkpoint of the audit that is to be published now; None: none is.

        Raises:
            DeskFailed: the audit does not continue what was signed, or the database is away.
            KeyRefused: the audit's key does not sign.
        """
        waiting, self._unkept = self._unkept, []
        for incoming in waiting:
            with contextlib.suppress(MessageRefused):
                self.hear(incoming)
        message = self._checkpoints.due()
        return None if message is None else checkpoint_message(message)

    def _hear_alarms(self, payload: bytes, witness: str) -> None:
        said = open_witness_alarms(payload, witness, self._known.alarms)
        for alarm in said.alarms:
            # The statement names all that stand, each time: one is known by what it is.
            kind = alarm.alarm.value
            origin = f"roeh/{alarm.ledger}"
            self._keep_alarm(witness, origin, kind, payload, f"{alarm.t_utc_us}")

    def _keep_alarm(
        self, witness: str, origin: str, kind: str, statement: bytes, told_apart: str = ""
    ) -> None:
        """A row of witness_alarm and the desk's alarm of it, once."""
        named = "\n".join((witness, origin, kind, told_apart))
        sha256 = hashlib.sha256(named.encode("utf-8")).hexdigest()
        now_utc_us = self._clock.read().t_utc_ns // NS_PER_US
        with self._store.writing() as transaction:
            (is_new,) = transaction.insert_new(
                "INSERT INTO witness_alarm"
                " (witness, origin, kind, statement, sha256, t_received_utc_us)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
                [(witness, origin, kind, statement, sha256, now_utc_us)],
            )
            if is_new:
                ((row,),) = transaction.values(
                    "SELECT row FROM witness_alarm WHERE sha256 = ?", (sha256,)
                )
                assert isinstance(row, int)
                self._hook.on_witness_alarm(transaction, row, now_utc_us)
