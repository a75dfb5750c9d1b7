"""What each witness has seen of this ledger, and the proof that the next one needs.

A witness takes a checkpoint only with a proof from the very size that it saw last, and one
checkpoint goes out with one proof. Witnesses that are in step share it. Those that are not
(one was away, or was restored from an older backup) take turns, the one first whose turn was
longest ago: so one that is away for good does not keep the others from their proof. One that
lags is shown the checkpoint that the foremost signed, and not a newer one: then they are in
step, and share the next.

A witness that is offered another size than its own repeats its last cosignature. That is why
the newest word of a witness counts, even if it is of a smaller tree than the word before. What
is kept, and what the file `ledger/cosigned` holds, never goes backwards.
"""

from __future__ import annotations

import base64
import sqlite3
import threading
from collections.abc import Sequence

from roeh.core.delivery import CheckpointProof
from roeh.ledger.checkpoints import Checkpoints
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.note import WitnessKey, parse_checkpoint, parse_note, witness_key_id


class Witnessed:
    """Safe to call from several threads."""

    def __init__(self, database: NodeDatabase, log: Log, checkpoints: Checkpoints) -> None:
        self._database = database
        self._log = log
        self._checkpoints = checkpoints
        self._lock = threading.Lock()
        self._turn = 0
        self._turns: dict[str, int] = {}  # witness → the last turn that was its

    def keep(self, written: str, witnesses: Sequence[WitnessKey]) -> None:
        """Keep what a witness signed, and where it stands.

        Raises:
            EvidenceRefused: it is not a checkpoint of this ledger, or not one of theirs.
            StorageFull, StorageFailed: it could not be stored.
        """
        signed = self._checkpoints.keep_cosigned(written, witnesses)
        size = _size_of(written)
        with self._database.writing() as connection:
            for each in signed:
                connection.execute(
                    "INSERT INTO witness (name, size, t_utc_s) VALUES (?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET size = excluded.size,"
                    " t_utc_s = MAX(t_utc_s, excluded.t_utc_s)",
                    (_named(each.witness), size, each.t_utc_s),
                )

    def proof(self, witnesses: Sequence[WitnessKey]) -> CheckpointProof:
        """A signed checkpoint and how it continues what a witness saw last.

        It is the newest, or one to catch up to.

        Raises:
            StorageFull, StorageFailed: mirror, store or file refused.
            KeyRefused: the key's home does not sign.
        """
        self._checkpoints.renew()
        note = self._checkpoints.newest()
        if note is None:
            return CheckpointProof(note=None, from_size=0, hashes=())
        with self._database.reading() as connection:
            stands = _stands(connection, witnesses)
        from_size = self._next_size(stands)
        foremost = max(stands.values(), default=0)
        if from_size < foremost:
            note = self._checkpoints.kept(foremost) or note
        size = _size_of(note)
        from_size = min(from_size, size)
        with self._database.reading() as connection:
            hashes = self._log.consistency_proof(connection, from_size, size)
        encoded = tuple(base64.b64encode(each).decode("ascii") for each in hashes)
        return CheckpointProof(note=note, from_size=from_size, hashes=encoded)

    def last_utc_s(self, witnesses: Sequence[WitnessKey]) -> int | None:
        """The newest time at which one of these witnesses signed; None if none ever did."""
        with self._database.reading() as connection:
            found = dict(connection.execute("SELECT name, t_utc_s FROM witness").fetchall())
        times = [found[name] for name in map(_named, witnesses) if name in found]
        return max(times, default=None)

    def _next_size(self, stands: dict[str, int]) -> int:
        """Where the witness stands whose turn was longest ago; 0 if there is none.

        It is the turn of every one that stands there.
        """
        with self._lock:
            first = min(stands, key=lambda name: (self._turns.get(name, 0), name), default=None)
            if first is None:
                return 0
            self._turn += 1
            for name, size in stands.items():
                if size == stands[first]:
                    self._turns[name] = self._turn
            return stands[first]


def _stands(connection: sqlite3.Connection, witnesses: Sequence[WitnessKey]) -> dict[str, int]:
    """The size that each of these witnesses saw last; 0 for one that never signed."""
    known = dict(connection.execute("SELECT name, size FROM witness").fetchall())
    return {name: int(known.get(name, 0)) for name in map(_named, witnesses)}


def _size_of(written: str) -> int:
    return parse_checkpoint(parse_note(written).text).size


def _named(witness: WitnessKey) -> str:
    """Name and key: a witness with a new key begins anew."""
    return f"{witness.name}+{witness_key_id(witness).hex()}"
