"""Every look and every refusal on record, and none of them able to fill the ledger.

The same look (person, certificate, what and which) within a minute is one record. Refusals of
one person and reason are counted: the first is on record at once, those after it once a minute
of somebody known, once in ten minutes of strangers, with their count. Beyond a rate of all of
them together a look is refused, and refusals are counted without telling which.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import PeerRefused
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import AccessRecord, AccessRefusedRecord

_SAME_LOOK_NS = 60 * NS_PER_S
_KNOWN_NS = 60 * NS_PER_S
_STRANGER_NS = 600 * NS_PER_S
#: Of either kind remembered; more of them at once are put on record each.
_MAX_REMEMBERED = 4096
_MAX_REASON_CHARS = 200
#: Records of both kinds together: so many at once, and so many a second after that. A person
#: who goes through a day makes some hundred; whoever has retrieve has no disk with it.
_AT_ONCE = 1024
_RECORDS_HZ = 4
#: Of refusals that are more than can be told apart.
_MANY = "more kinds of refusal than are told apart"


class _Refusals(msgspec.Struct):
    """Since the record before of the same person, action and reason."""

    t_recorded_ns: int
    unrecorded: AccessRefusedRecord | None = None


class Looks:
    """Safe to call from several threads."""

    def __init__(self, database: NodeDatabase, log: Log, clock: Clock) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._looked: OrderedDict[AccessRecord, int] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str, str], _Refusals] = OrderedDict()
        self._total = 0
        self._left = float(_AT_ONCE)
        self._t_filled_ns = clock.mono_ns()

    @property
    def refused(self) -> int:
        """How many were refused since this process started."""
        return self._total

    def look(self, record: AccessRecord) -> None:
        """Somebody may do this: on record before it is done.

        Raises:
            PeerRefused: more is looked at than is kept on record; nor must it be done.
            StorageFull, StorageFailed: it is not on record, and must not be done.
        """
        with self._lock:
            now_ns = self._clock.mono_ns()
            last_ns = self._looked.get(record)
            if last_ns is not None and now_ns - last_ns < _SAME_LOOK_NS:
                return
            if not self._may_record(now_ns):
                raise PeerRefused(
                    what=f"looks at more than {_RECORDS_HZ} things a second",
                    which=f"{record.action} of {record.person}",
                    remedy="look more slowly: each look is on record",
                )
            with self._database.writing() as connection:
                self._log.append(connection, record)
            self._looked[record] = now_ns
            self._looked.move_to_end(record)
            while len(self._looked) > _MAX_REMEMBERED:
                self._looked.popitem(last=False)

    def refuse(self, record: AccessRefusedRecord) -> None:
        """Somebody may not.

        Raises:
            StorageFull, StorageFailed: it is counted, and put on record with the next.
        """
        record = msgspec.structs.replace(record, reason=record.reason[:_MAX_REASON_CHARS])
        with self._lock:
            self._total += 1
            now_ns = self._clock.mono_ns()
            key = record.person, record.action, record.reason
            if key not in self._refused and not self._may_record(now_ns):
                record = AccessRefusedRecord(person="", action=record.action, reason=_MANY)
                key = record.person, record.action, record.reason
            known = self._refused.get(key)
            before = 0 if known is None or known.unrecorded is None else known.unrecorded.count
            record = msgspec.structs.replace(record, count=before + record.count)
            if known is not None and now_ns - known.t_recorded_ns < _every_ns(record):
                known.unrecorded = record
                return
            self._remember(key, _Refusals(now_ns - _every_ns(record), record))
            self._append(key, now_ns)

    def settle(self, *, is_last: bool = False) -> None:
        """Put on record what was only counted and whose time has come; all of it at the end.

        Raises:
            StorageFull, StorageFailed: what is not on record yet is tried again.
        """
        with self._lock:
            now_ns = self._clock.mono_ns()
            for key, known in list(self._refused.items()):
                if known.unrecorded is None:
                    continue
                if is_last or now_ns - known.t_recorded_ns >= _every_ns(known.unrecorded):
                    self._append(key, now_ns)

    def _may_record(self, now_ns: int) -> bool:
        """Count one more record, if there may be one."""
        elapsed_s = (now_ns - self._t_filled_ns) / NS_PER_S
        self._left = min(float(_AT_ONCE), self._left + elapsed_s * _RECORDS_HZ)
        self._t_filled_ns = now_ns
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _append(self, key: tuple[str, str, str], now_ns: int) -> None:
        known = self._refused[key]
        if known.unrecorded is None:
            return
        with self._database.writing() as connection:
            self._log.append(connection, known.unrecorded)
        self._refused[key] = _Refusals(now_ns)

    def _remember(self, key: tuple[str, str, str], refusals: _Refusals) -> None:
        self._refused[key] = refusals
        self._refused.move_to_end(key)
        while len(self._refused) > _MAX_REMEMBERED:
            self._refused.popitem(last=False)


def _every_ns(record: AccessRefusedRecord) -> int:
    return _KNOWN_NS if record.person else _STRANGER_NS
