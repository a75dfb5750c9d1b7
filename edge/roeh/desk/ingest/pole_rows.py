"""What is known of each pole: the newest of its states and heartbeats, and its ledger's key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from roeh.core.clock import NS_PER_US, ClockReading
from roeh.desk.ingest.received import Received
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction
from roeh.desk.witness.trust import LogKey, Standing, judge_key
from roeh.keys.chain import SigningTime, TrustAnchors
from roeh.keys.signer import NodeName
from roeh.transport.messages import HealthMessage, StateMessage

#: Poles beyond these are not begun: names come from the network.
MAX_POLES = 10_000

_HEARD = """
    INSERT INTO pole (site, node, connection_number, boot_id, software, log_chain_pem,
        log_standing, condition, t_heard_utc_us, is_silent)
    VALUES (?, ?, 0, '', '', '', '', '', ?, 0)
    ON CONFLICT (site, node) DO UPDATE
    SET t_heard_utc_us = excluded.t_heard_utc_us, is_silent = 0
"""
_KNOWN = _HEARD[: _HEARD.index("DO UPDATE")] + "DO NOTHING"
# Of one connection its end is the last word: a birth that comes after it comes late.
_STATE = """
    UPDATE pole SET online = ?, connection_number = ?, boot_id = ?, software = ?, state_payload = ?
    WHERE site = ? AND node = ? AND (online IS NULL OR connection_number < ?
        OR (connection_number = ? AND online >= ?))
"""
_FORGET_STATE = """
    UPDATE pole SET online = NULL, connection_number = 0
    WHERE site = ? AND node = ? AND boot_id <> ? AND connection_number > ?
"""
_HEALTH = """
    UPDATE pole SET boot_id = ?, software = ?, health_payload = ?, condition = ?,
        clock_synchronised = ?
    WHERE site = ? AND node = ? AND connection_number <= ?
"""


class PoleKey(msgspec.Struct, frozen=True):
    """The key that a pole's ledger and answers are signed by, as far as it is known."""

    log_chain_pem: str
    log_spki: bytes | None
    log_standing: str

    @property
    def believed(self) -> LogKey | None:
        """As the judgement of chains takes it."""
        if self.log_spki is None:
            return None
        return LogKey(self.log_spki, self.log_chain_pem, Standing(self.log_standing))


def keep_poles(
    transaction: Transaction,
    batch: Iterable[Received],
    anchors: TrustAnchors | None,
    now: ClockReading,
) -> None:
    """Take in who was heard, and the states and heartbeats among the messages.

    Args:
        transaction: the batch's.
        batch: messages in the order in which they came.
        anchors: roots that vouch for ledgers' keys; None: the first key of a pole stays.
        now: the desk's time.
    """
    now_utc_us = now.t_utc_ns // NS_PER_US
    heard: dict[Pole, bool] = {}
    for received in batch:
        heard[received.pole] = heard.get(received.pole, False) or _is_its_voice(received)
    for pole, itself in sorted(heard.items()):
        transaction.execute(_HEARD if itself else _KNOWN, (pole.site, pole.node, now_utc_us))
    for received in batch:
        if isinstance(received.message, StateMessage):
            _keep_state(transaction, received, received.message)
            _keep_key(transaction, received.pole, received.message, anchors, now)
        elif isinstance(received.message, HealthMessage):
            _keep_health(transaction, received, received.message)


def within_room(transaction: Transaction, batch: Sequence[Received]) -> Sequence[Received]:
    """The messages without those of new poles for which there is no room.

    They are neither stored nor acknowledged: a pole would keep them.
    """
    new = [
        pole
        for pole in dict.fromkeys(received.pole for received in batch)
        if pole_key(transaction, pole) is None
    ]
    if not new:
        return batch
    ((known,),) = transaction.values("SELECT COUNT(*) FROM pole")
    assert isinstance(known, int)
    turned_away = frozenset(new[max(0, MAX_POLES - known) :])
    return [received for received in batch if received.pole not in turned_away]


def pole_key(transaction: Transaction, pole: Pole) -> PoleKey | None:
    """The key of a pole's ledger; None: the pole is not known."""
    found = transaction.select(
        PoleKey,
        "SELECT log_chain_pem, log_spki, log_standing FROM pole WHERE site = ? AND node = ?",
        (pole.site, pole.node),
    )
    return found[0] if found else None


def _is_its_voice(received: Received) -> bool:
    """Whether the pole said it just now: not a will, and not what the broker kept."""
    offline = isinstance(received.message, StateMessage) and not received.message.online
    return not (offline or received.is_old)


def _keep_state(transaction: Transaction, received: Received, state: StateMessage) -> None:
    pole, number = received.pole, state.connection_number
    if state.online and not received.is_old and _began_later(transaction, pole, state):
        transaction.execute(_FORGET_STATE, (pole.site, pole.node, state.boot_id, number))
    online = int(state.online)
    transaction.execute(
        _STATE,
        (
            *(online, number, state.boot_id, state.software, received.payload),
            *(pole.site, pole.node, number, number, online),
        ),
    )


def _began_later(transaction: Transaction, pole: Pole, state: StateMessage) -> bool:
    """Whether a birth is of a later time than the state that is kept.

    With a lower number it is of a pole that was installed anew, whose count of connections
    began again.
    """
    ((payload,),) = transaction.values(
        "SELECT state_payload FROM pole WHERE site = ? AND node = ?", (pole.site, pole.node)
    )
    if not isinstance(payload, bytes):
        return False
    return msgspec.json.decode(payload, type=StateMessage).t_utc_us < state.t_utc_us


def _keep_health(transaction: Transaction, received: Received, health: HealthMessage) -> None:
    transaction.execute(
        _HEALTH,
        (
            *(health.boot_id, health.software, received.payload, health.condition),
            int(health.clock.synchronised),
            *(received.pole.site, received.pole.node, health.connection_number),
        ),
    )


def _keep_key(
    transaction: Transaction,
    pole: Pole,
    state: StateMessage,
    anchors: TrustAnchors | None,
    now: ClockReading,
) -> None:
    known = pole_key(transaction, pole)
    if not state.log_chain_pem or known is None:
        return
    if known.log_chain_pem == state.log_chain_pem and known.log_spki is not None:
        return
    signed = SigningTime(now.t_utc_ns // NS_PER_US, now.utc_error_ns // NS_PER_US)
    trust = judge_key(
        state.log_chain_pem, known.believed, NodeName(pole.site, pole.node), anchors, signed
    )
    if trust.taken is not None:
        transaction.execute(
            "UPDATE pole SET log_chain_pem = ?, log_spki = ?, log_standing = ?"
            " WHERE site = ? AND node = ?",
            (
                *(trust.taken.chain_pem, trust.taken.spki_der, trust.taken.standing.value),
                *(pole.site, pole.node),
            ),
        )
