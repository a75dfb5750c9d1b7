"""How the board and what it keeps are, for the node's status, which is asked every two seconds.

What is read from files and tables is as old as _FRESH_S at the most.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509

from roeh.core.board import SYS, disk_life_used_percent, read_board
from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.peers import BoardHealth
from roeh.evidence.refusals import RefusedStatements
from roeh.ledger.age import NodeAge
from roeh.ledger.database import NodeDatabase

_FRESH_S = 30
_S_PER_DAY = 86400
_US_PER_S = 1_000_000
_BYTES_PER_TB = 1e12
_PERCENT = 100.0


class HealthParts(msgspec.Struct, frozen=True):
    """What the node's health is read from.

    Attributes:
        data_dir: on the disk whose wear counts.
        endurance_tb: its TBW; 0: not known.
        chains_pem: certificates of the node's signing keys.
        witnessed_utc_s: the newest time that a witness signed.
        sys_root: where sysfs is mounted.
    """

    database: NodeDatabase
    age: NodeAge
    clock: Clock
    refused: RefusedStatements
    data_dir: Path
    endurance_tb: float
    chains_pem: tuple[bytes, ...]
    witnessed_utc_s: Callable[[], int | None]
    sys_root: Path = SYS


class NodeHealth:
    """Safe to call from several threads."""

    def __init__(self, parts: HealthParts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._read: BoardHealth | None = None
        self._t_read_ns = 0
        self._t_expiry_utc_s = _first_expiry_utc_s(parts.chains_pem)

    def now(self) -> BoardHealth:
        """How it is.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._lock:
            now_ns = self._parts.clock.mono_ns()
            if self._read is None or now_ns - self._t_read_ns >= _FRESH_S * NS_PER_S:
                self._read, self._t_read_ns = self._looked_up(), now_ns
            return msgspec.structs.replace(self._read, statements_refused=self._parts.refused.total)

    def _looked_up(self) -> BoardHealth:
        parts = self._parts
        board = read_board(parts.sys_root)
        now_us = parts.clock.read().t_utc_ns // NS_PER_US
        witnessed_s = parts.witnessed_utc_s()
        age_us = parts.age.now_us()
        with parts.database.reading() as connection:
            began_us = _ring_began_age_us(connection)
            written_bytes = _written_bytes(connection)
        wear_percent = disk_life_used_percent(parts.data_dir, parts.sys_root)
        if wear_percent is None and parts.endurance_tb:
            wear_percent = _PERCENT * written_bytes / (parts.endurance_tb * _BYTES_PER_TB)
        return BoardHealth(
            temperature_c=board.temperature_c,
            throttled=board.throttled,
            retention_us=None if began_us is None else max(0, age_us - began_us),
            wear_percent=wear_percent,
            certificate_days=(self._t_expiry_utc_s - now_us // _US_PER_S) // _S_PER_DAY,
            witnessed_age_us=(
                None if witnessed_s is None else max(0, now_us - witnessed_s * _US_PER_S)
            ),
        )


def _first_expiry_utc_s(chains_pem: tuple[bytes, ...]) -> int:
    """When the first of the certificates ends, issuers included: a chain is as good as those."""
    ends = [
        certificate.not_valid_after_utc
        for chain in chains_pem
        for certificate in x509.load_pem_x509_certificates(chain)
    ]
    return int(min(ends).timestamp())


def _ring_began_age_us(connection: sqlite3.Connection) -> int | None:
    """The node's age when the unbroken part of the recording began; None without one.

    What an alert or a person keeps is older and does not count: the ring reaches back to
    just behind the newest segment that was deleted.
    """
    deleted = [
        connection.execute("SELECT MAX(row) FROM segment WHERE state = ?", (state,)).fetchone()[0]
        for state in ("pruned", "garbage")
    ]
    newest = max((row for row in deleted if row is not None), default=-1)
    found = [
        connection.execute(
            "SELECT began_age_us FROM segment WHERE state = ? AND row > ? ORDER BY row LIMIT 1",
            (state, newest),
        ).fetchone()
        for state in ("closed", "open")
    ]
    return min((int(row[0]) for row in found if row is not None), default=None)


def _written_bytes(connection: sqlite3.Connection) -> int:
    (total,) = connection.execute(
        "SELECT coalesce(sum(value), 0) FROM counter WHERE name GLOB 'bytes_*'"
    ).fetchone()
    return int(total)
