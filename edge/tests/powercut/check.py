"""After the cut: is all there that was acknowledged?"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.core.types import Alert, AlertDraft
from tests.powercut.acknowledgements import (
    Acknowledgement,
    AlertAcknowledged,
)
from tests.powercut.node import Node


class Findings(msgspec.Struct, frozen=True):
    """`lost`: what was acknowledged and is not there; `wrong`: what else must not be."""

    lost: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def check(point: Path, acknowledged: list[Acknowledgement], findings: Path) -> None:
    """Open the store that is mounted at `point`, with its own recovery, and look."""
    node = Node(point)
    with node.database.reading() as connection:
        lost = tuple(_lost(connection, acknowledged))
        wrong = tuple(_wrong(connection))
    node.close()
    findings.write_bytes(msgspec.json.encode(Findings(lost=lost, wrong=wrong)))


def _lost(connection: sqlite3.Connection, acknowledged: list[Acknowledgement]) -> Iterator[str]:
    for thing in acknowledged:
        if isinstance(thing, AlertAcknowledged) and not _has_alert(connection, thing):
            yield f"alert {thing.seq} ({thing.id})"


def _has_alert(connection: sqlite3.Connection, thing: AlertAcknowledged) -> bool:
    """The alert, its thumbnail, and both on their way out: nothing was delivered yet."""
    found = connection.execute(
        "SELECT payload_json, jpeg FROM alert JOIN thumbnail USING (seq) WHERE seq = ? AND id = ?"
        " AND (SELECT count(*) FROM outbox WHERE outbox.seq = alert.seq) = 2",
        (thing.seq, thing.id),
    ).fetchone()
    if found is None:
        return False
    alert = msgspec.structs.asdict(msgspec.json.decode(found[0], type=Alert))
    alert.pop("seq")
    draft = msgspec.json.encode(AlertDraft(**alert))
    return (
        hashlib.sha256(draft).hexdigest() == thing.draft_sha256
        and hashlib.sha256(found[1]).hexdigest() == thing.thumbnail_sha256
    )


def _wrong(connection: sqlite3.Connection) -> Iterator[str]:
    (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    if sound != "ok":
        yield f"node.db: {sound}"
    count, newest = connection.execute(
        "SELECT count(*), coalesce(max(seq), 0) FROM alert"
    ).fetchone()
    if count != newest:
        yield f"{newest - count} holes in the count of alerts"
