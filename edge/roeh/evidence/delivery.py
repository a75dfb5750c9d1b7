"""Evidence's side of delivery: what leaves the outbox, and on whose word.

publish faces the network and may be anybody's. In the mode "desk" nothing that it says takes
a row out: it hands on what the desk signed, and the signature is verified here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from roeh.core.config import AckMode
from roeh.core.delivery import (
    AcknowledgeOutbox,
    CheckpointProof,
    ConnectionBegin,
    ConnectionNumber,
    KeepCosignature,
    OutboxAcknowledged,
    OutboxDelivered,
)
from roeh.core.errors import EvidenceRefused, MessageRefused, PeerRefused
from roeh.core.log import log_for
from roeh.core.peers import Done, Verb
from roeh.evidence.answerers import Answerer
from roeh.evidence.refusals import RefusedStatements
from roeh.evidence.storage_state import StorageState
from roeh.evidence.trust import DeskTrust
from roeh.ledger.acknowledged import Receipt
from roeh.ledger.alerts import NodeStore
from roeh.ledger.witnessed import Witnessed
from roeh.transport.down import Ack, parse_body
from roeh.transport.signed import StatementKind, open_statement

#: A higher number than this is not taken from a broker: UTC seconds, which a rebuilt node
#: goes on from, stay below it until the year 2242. The node's own clock cannot be the bound:
#: where it says 1970, the true number has to be learnt all the same.
MAX_LEARNT_CONNECTION = 2**33

_log = log_for("evidence")


class DeliveryParts(msgspec.Struct, frozen=True):
    """What delivery asks.

    Attributes:
        addressee: "site/node", as statements name this node.
        log_chain_pem: certificates of the ledger's key, leaf first.
    """

    addressee: str
    ack: AckMode
    store: NodeStore
    storage: StorageState
    trust: DeskTrust
    refused: RefusedStatements
    witnessed: Witnessed
    log_chain_pem: str


class Delivery:
    """The verbs of delivery but the leases. Safe to call from several threads."""

    def __init__(self, parts: DeliveryParts) -> None:
        self._parts = parts
        self.answerers: Mapping[Verb, Answerer] = {
            Verb.OUTBOX_DELIVERED: self._delivered,
            Verb.OUTBOX_ACKNOWLEDGE: self._acknowledge,
            Verb.COSIGNATURE_KEEP: self._keep_cosignature,
            Verb.CHECKPOINT_PROOF: lambda _: self._proof(),
            Verb.CONNECTION_BEGIN: self._begin_connection,
        }

    def _delivered(self, request: OutboxDelivered) -> Done:
        """The broker took rows: that counts only where there is no desk."""
        if self._parts.ack == "desk":
            raise PeerRefused(
                what="nothing leaves the outbox without the desk's signature",
                which='outbox.delivered with broker.ack = "desk"',
                remedy="hand on what comes on down/ack with outbox.acknowledge",
            )
        with self._parts.storage.watched():
            self._parts.store.delivered(request.rows)
        return Done()

    def _acknowledge(self, request: AcknowledgeOutbox) -> OutboxAcknowledged:
        """What the desk signed leaves the outbox.

        Raises:
            MessageRefused: it is not the desk's; nothing was changed.
        """
        parts = self._parts
        try:
            statement = open_statement(
                request.statement, StatementKind.ACK, parts.addressee, parts.trust.keys().ack
            )
            acks = parse_body(statement.body, Ack).acks
        except MessageRefused as error:
            parts.refused.refuse("ack", str(error))
            raise
        receipts = tuple(Receipt(ack.kind, ack.id, ack.sha256) for ack in acks)
        with parts.storage.watched():
            taken = parts.store.acknowledge(receipts)
        for other in taken.other:
            # Of a desk that is believed: something between changed what was sent.
            parts.refused.refuse(
                "ack", f"{other.kind.value} {other.alert_id}: other bytes than are stored"
            )
        return OutboxAcknowledged(taken.rows)

    def _keep_cosignature(self, request: KeepCosignature) -> Done:
        """A witness signed a checkpoint.

        Raises:
            EvidenceRefused: it is not of this ledger, or no witness of this node's.
        """
        parts = self._parts
        try:
            with parts.storage.watched():
                parts.witnessed.keep(request.note, parts.trust.keys().witness)
        except EvidenceRefused as error:
            parts.refused.refuse("cosignature", str(error))
            raise
        return Done()

    def _proof(self) -> CheckpointProof:
        with self._parts.storage.watched():
            return self._parts.witnessed.proof(self._parts.trust.keys().witness)

    def _begin_connection(self, request: ConnectionBegin) -> ConnectionNumber:
        at_least = request.at_least
        if at_least > MAX_LEARNT_CONNECTION:
            _log.warning(
                "the broker knows connection number %d of this node, which no node can have"
                " reached; it is passed over",
                at_least,
            )
            at_least = 0
        with self._parts.storage.watched():
            number = self._parts.store.next_number("connection", at_least=at_least)
        return ConnectionNumber(number=number, log_chain_pem=self._parts.log_chain_pem)
