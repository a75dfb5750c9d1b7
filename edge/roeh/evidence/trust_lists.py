"""The trust list in force: whom of those with a certificate this pole believes.

Order: the file `trust-list.p7m` is replaced durably, then the record is written (the other way
round where a lower version takes the place of a stolen signer's). A list that is in force and not
on record (killed in between) is put on record at the next start. What is on record is the least
that counts: a file that was put back to an older list, or taken away, lets no older one in.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from roeh.access.judging import time_of
from roeh.access.refusals import refused
from roeh.access.trust_list import HeldTrust, Staleness, newer, read_trust_list, staleness
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import NodeConfig
from roeh.core.durable_files import sync_directory, write_new
from roeh.core.errors import RoehError, StorageFull
from roeh.core.log import log_error, log_for
from roeh.core.retrieval import MAX_SIGNED_BYTES, TrustHeld
from roeh.evidence.seen_file import SeenFile, look_at
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.log import Log
from roeh.ledger.records import TrustListRecord

FILE_NAME = "trust-list.p7m"

Via = Literal["mqtt", "file", "https", "usb"]

_US_PER_DAY = 86_400_000_000
_MAX_ROOT_BYTES = 64 * 1024
_RETRY_NS = 60 * NS_PER_S

_log = log_for("evidence")


class TrustLists:
    """The list in force. Safe to call from several threads.

    Nothing here stops recording: a root or a list that cannot be read lets nobody in, and an
    alarm says why.
    """

    def __init__(self, config: NodeConfig, clock: Clock, database: NodeDatabase, log: Log) -> None:
        self._section = config.access
        self._path = Path(config.paths.data_dir) / FILE_NAME
        self._clock = clock
        self._database = database
        self._log = log
        self._lock = threading.RLock()
        self._root_pem: bytes | None = None
        self._held: HeldTrust | None = None
        self._seen: SeenFile | None = None
        self._t_tried_ns = 0
        self._alarms: dict[str, str] = {}
        self._is_unrecorded = False
        self._has_begun = False

    def begin(self) -> None:
        """Take up what was in force before; called once the ledger goes on.

        Raises:
            StorageFailed: the store cannot be used.
        """
        with self._lock:
            self._take_up()
            self._has_begun = True

    def held(self) -> HeldTrust | None:
        """The list in force; None: there is none, and nobody is believed."""
        with self._lock:
            if self._has_begun:
                if self._root_pem is None:
                    self._take_up()
                self._note_held()
                self._look_at_file()
            return self._held

    def stands(self) -> Staleness:
        """What it is worth now."""
        return staleness(
            self.held(),
            self._clock.read(),
            round(self._section.stale_after_days * _US_PER_DAY),
            self._section.allow_unsynchronised,
        )

    def shown(self) -> TrustHeld:
        """The same for whoever asks."""
        held, stands = self.held(), self.stands()
        return TrustHeld(
            signed=b"" if held is None else held.signed,
            version=0 if held is None else held.trust_list.version,
            issued_utc_us=0 if held is None else held.trust_list.issued_utc_us,
            age_us=stands.age_us,
            is_stale=stands.is_stale,
        )

    def offer(self, signed: bytes, via: Via) -> TrustHeld:
        """Keep a list if it is newer than the one held, by record; the same again is nothing.

        Raises:
            AccessRefused: it is not believed, or it is older.
            StorageFull, StorageFailed: it could not be kept; the one before stays in force.
        """
        with self._lock:
            self._look_at_file()
            self._take(signed, via)
        return self.shown()

    def alarms(self) -> tuple[str, ...]:
        """What a person should know, a line each; nothing where nobody is to be let in."""
        if not self._section.host:
            return ()
        stands = self.stands()
        with self._lock:
            found = list(self._alarms.values())
            if self._held is None:
                found.append(
                    "there is no trust list: nobody can take evidence; give one by"
                    " [access] trust_file, roeh desk trust or a USB disk"
                )
            elif stands.is_stale and stands.age_us is None:
                found.append(
                    "the clock cannot tell the age of the trust list: approvals and previews"
                    " wait until it is synchronised"
                )
            elif stands.is_stale:
                found.append(
                    f"trust list {self._held.trust_list.version} is older than"
                    f" {self._section.stale_after_days:g} days: approvals and previews wait for"
                    " a newer one"
                )
        return tuple(found)

    def _take_up(self) -> None:
        """What was in force before, if it can be read still."""
        if self._read_root() is None:
            return
        try:
            with storage_errors(self._path):
                signed = self._path.read_bytes()
        except RoehError as error:
            if self._path.exists():
                self._alarms["held"] = str(error)
            return
        try:
            held = read_trust_list(signed, self._root(), None)
            newest = self._recorded()
            if newest is not None and held.trust_list.version < newest.version:
                raise refused(
                    "older_trust_list",
                    f"{self._path} holds version {held.trust_list.version}, and"
                    f" {newest.version} is on record",
                )
        except RoehError as error:
            self._alarms["held"] = f"{error}; nobody is let in by {self._path}"
            _log.error("%s", self._alarms["held"])
            return
        self._held = held
        self._is_unrecorded = newest is None or newest.sha256 != held.sha256

    def _note_held(self) -> None:
        """What was killed between the file and its record is on record now."""
        if not self._is_unrecorded or self._held is None:
            return
        try:
            self._record(self._held, "file")
        except StorageFull as error:
            log_error(_log, error)
        else:
            self._is_unrecorded = False

    def _take(self, signed: bytes, via: Via) -> None:
        now = self._clock.read()
        can_tell = now.synchronised or self._section.allow_unsynchronised
        if self._read_root() is None:
            raise refused("trust_list_signer", "[access] root_file cannot be read here")
        offered = read_trust_list(signed, self._root(), time_of(now) if can_tell else None)
        newest = self._recorded()
        if self._held is None and newest is not None:
            _check_recorded(offered, newest)
        if not newer(self._held, offered):
            return
        is_lower = newest is not None and offered.trust_list.version < newest.version
        if is_lower:
            # The root dismissed who signed the one before. The record first: a file that is older
            # than what is on record would let nobody in.
            self._record(offered, via)
        self._write(signed)
        self._held = offered
        self._alarms.pop("held", None)
        if not is_lower:
            self._is_unrecorded = True
            self._record(offered, via)
        self._is_unrecorded = False
        _log.info("trust list %d is in force, by %s", offered.trust_list.version, via)

    def _record(self, held: HeldTrust, via: Via) -> None:
        with self._database.writing() as connection:
            self._log.append(
                connection,
                TrustListRecord(
                    version=held.trust_list.version,
                    issued_utc_us=held.trust_list.issued_utc_us,
                    sha256=held.sha256,
                    via=via,
                ),
            )

    def _recorded(self) -> TrustListRecord | None:
        with self._database.reading() as connection:
            record = self._log.newest(connection, TrustListRecord)
        body = None if record is None else record.body
        return body if isinstance(body, TrustListRecord) else None

    def _write(self, signed: bytes) -> None:
        fresh = self._path.with_name(f"{FILE_NAME}.new")
        with storage_errors(self._path):
            fresh.unlink(missing_ok=True)
            write_new(fresh, [signed])
            fresh.replace(self._path)
            sync_directory(self._path.parent)

    def _read_root(self) -> bytes | None:
        """The city's root; tried each time until it can be read."""
        if self._root_pem is None and self._section.root_file:
            path = Path(self._section.root_file)
            try:
                with storage_errors(path), path.open("rb") as file:
                    self._root_pem = file.read(_MAX_ROOT_BYTES)
            except RoehError as error:
                self._alarms["root"] = f"nobody is let in: {error}"
            else:
                self._alarms.pop("root", None)
        return self._root_pem

    def _root(self) -> bytes:
        assert self._root_pem is not None
        return self._root_pem

    def _look_at_file(self) -> None:
        """trust_file, when it has changed; one that is not believed changes nothing.

        That is tried again: a disk may have been full, or a clock wrong.
        """
        if not self._section.trust_file:
            return
        path = Path(self._section.trust_file)
        seen = look_at(path)
        now_ns = self._clock.mono_ns()
        is_waited_with = "file" not in self._alarms or now_ns - self._t_tried_ns < _RETRY_NS
        if seen is None or (seen == self._seen and is_waited_with):
            return
        try:
            with storage_errors(path), path.open("rb") as file:
                signed = file.read(MAX_SIGNED_BYTES + 1)
            self._take(signed, "file")
        except RoehError as error:
            alarm = f"{path} is not taken: {error}"
            if self._alarms.get("file") != alarm:
                _log.error("%s", alarm)
            self._alarms["file"] = alarm
        else:
            self._alarms.pop("file", None)
        self._seen, self._t_tried_ns = seen, now_ns


def _check_recorded(offered: HeldTrust, newest: TrustListRecord) -> None:
    """The held one was lost: what is on record is the least that counts."""
    version = offered.trust_list.version
    if version < newest.version:
        raise refused("older_trust_list", f"version {version}, where {newest.version} is on record")
    if version == newest.version and offered.sha256 != newest.sha256:
        raise refused("another_trust_list", f"version {version}")
