"""A person's word on a ledger that a witness is alarmed by: it is added, nothing is removed."""

from __future__ import annotations

import base64
from pathlib import Path

from roeh.core.errors import AlarmRefused
from roeh.desk.witness.entries import (
    AcceptedEntry,
    AlarmKind,
    KeyAcceptedEntry,
    Known,
    WitnessTime,
)
from roeh.desk.witness.history import History, history_path
from roeh.desk.witness.judging import Tree, tree_of
from roeh.keys.certificates import spki_der
from roeh.keys.key_pem import certificates_in, is_p256
from roeh.keys.signer import NodeName
from roeh.ledger.note import ecdsa_key_id


def open_history(directory: Path, name: NodeName) -> History:
    """The history of a ledger that was seen before.

    Raises:
        AlarmRefused: it was not.
        HistoryForked, StorageFailed: as `History`.
    """
    path = history_path(directory, name.site, name.node)
    if not path.exists():
        raise AlarmRefused(
            what="this witness has seen no such ledger",
            which=str(name),
            remedy="roeh desk witness lists those that it has seen, as SITE/NODE",
        )
    return History(path)


def accept_tree(
    history: History, tree: Tree, *, person: str, reason: str, time: WitnessTime
) -> None:
    """Let this tree count from here on, and what continues it; the alarms are over.

    Args:
        history: of the ledger.
        tree: one that the ledger's key signed, as the alarm or the history shows.
        person: who says so.
        reason: why.
        time: when.

    Raises:
        AlarmRefused: no alarm stands, and the tree is not one that waits for a proof; or the
            ledger's key never signed it.
        StorageFailed: it could not be made durable.
    """
    with history.locked() as known:
        is_ahead = known.last is not None and tree.size > known.last.tree.size
        if not known.is_stopped and not is_ahead:
            raise _refused("no second history was seen of it", known.origin, "nothing is to do")
        note = _signed_note(history, tree)
        if not note:
            raise _refused(
                f"no such tree was signed: {tree.size} records, root {tree.root.hex()}",
                known.origin,
                "name size and root of kept or claimed, as roeh desk witness shows them",
            )
        history.append(
            lambda before: AcceptedEntry(
                before=before,
                time=time,
                size=tree.size,
                root=tree.root.hex(),
                note=note,
                person=person,
                reason=reason,
            )
        )


def accept_key(
    history: History, key_id: str, *, person: str, reason: str, time: WitnessTime
) -> None:
    """Let this key sign the ledger from here on.

    Args:
        history: of the ledger.
        key_id: hexadecimal, as the alarm names it.
        person: who says so.
        reason: why.
        time: when.

    Raises:
        AlarmRefused: no alarm names such a key.
        StorageFailed: it could not be made durable.
    """
    with history.locked() as known:
        chain_pem = _offered_chain(known, key_id)
        spki = base64.b64encode(_leaf_key(chain_pem)).decode("ascii")
        history.append(
            lambda before: KeyAcceptedEntry(
                before=before,
                time=time,
                spki=spki,
                chain_pem=chain_pem,
                person=person,
                reason=reason,
            )
        )


def _offered_chain(known: Known, key_id: str) -> str:
    """The certificates of a key that an alarm tells of."""
    for alarm in known.alarms:
        is_of_key = alarm.alarm is AlarmKind.KEY_CHANGED
        if is_of_key and ecdsa_key_id(_leaf_key(alarm.chain_pem)).hex() == key_id:
            return alarm.chain_pem
    raise _refused(f"no alarm names the key {key_id}", known.origin, "see roeh desk witness")


def _signed_note(history: History, tree: Tree) -> str:
    found = history.note_of(tree)
    for alarm in history.known.alarms:
        for note in (alarm.claimed, alarm.kept):
            if not found and note and tree_of(note) == tree:
                found = note
    return found


def _leaf_key(chain_pem: str) -> bytes:
    leaf = certificates_in(chain_pem.encode("ascii"))[0]
    public_key = leaf.public_key()
    assert is_p256(public_key)
    return spki_der(public_key)


def _refused(what: str, which: str, remedy: str) -> AlarmRefused:
    return AlarmRefused(what=what, which=which, remedy=remedy)
