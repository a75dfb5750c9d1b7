"""Exports that were approved are built, one at a time; those that are over are cleared away.

At a start: an unfinished file is removed and its export begun again, on record as
interrupted; a file that is whole and was not told yet is hashed and told.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Final

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.custody import EvidenceStatus, EvidenceStatusRequest
from roeh.core.errors import EXIT_OK, ExportFailed, RoehError, one_line
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.paths import evidence_socket, exports_dir
from roeh.core.peers import Role, Verb
from roeh.core.retrieval import (
    ExportHeld,
    ExportRow,
    ExportsPage,
    ExportsRequest,
    ExportState,
    NoteExport,
)
from roeh.retrieve.exports.build_order import EXIT_LATER, BuildOrder
from roeh.retrieve.exports.build_pace import BuildPace
from roeh.retrieve.exports.spool import Spool

_PERIOD_S: Final = 1.0
_TIMEOUT_S: Final = 10.0
_US_PER_DAY: Final = 86_400 * 1_000_000
#: A builder that ends otherwise than it should is started again so often.
MAX_ATTEMPTS: Final = 3
_STOP_S: Final = 5.0
_POLL_S: Final = 0.1
_LAST_WORDS_BYTES: Final = 300
_ENDED: Final[frozenset[ExportState]] = frozenset({"refused", "failed", "expired"})
_KEPT: Final[frozenset[ExportState]] = frozenset({"ready", "taken"})

_log = log_for("retrieve.building")


class BuilderEnd(msgspec.Struct, frozen=True):
    """How a builder ended: its exit status (negative: the signal), and its last words."""

    status: int
    said: str


class ExportBuilding:
    """Looks for approved exports and has each built by a child; a thread of its own.

    Args:
        program: the interpreter that has `roeh`.
    """

    def __init__(self, config: NodeConfig, clock: Clock, program: str = sys.executable) -> None:
        self._config = config
        self._clock = clock
        self._program = program
        self._client = StreamClient(
            evidence_socket(config), Role.RETRIEVE, clock, timeout_s=_TIMEOUT_S
        )
        self._stop = threading.Event()
        self._attempts: dict[str, int] = {}
        self._all_ended_up_to = -1
        self._complaint = ""
        self._thread = threading.Thread(target=self._run, name="building", daemon=True)

    def start(self) -> None:
        """Build from now on."""
        self._thread.start()

    def close(self) -> None:
        """End the child, if there is one, and wait until it is gone."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except RoehError as error:
                if self._stop.is_set():
                    return
                if error.line() != self._complaint:
                    log_error(_log, error)
                self._complaint = error.line()
            else:
                self._complaint = ""
            self._clock.wait(_PERIOD_S, self._stop)

    def step(self) -> None:
        """Do what is to be done for every export once.

        Raises:
            RoehError: evidence cannot answer, or the spool cannot be used.
        """
        spool = Spool(exports_dir(self._config))
        open_ids: set[str] = set()
        are_all_ended = True
        failed: ExportFailed | None = None
        for row in self._exports():
            if self._stop.is_set():
                return
            if row.state in _ENDED:
                if are_all_ended:
                    self._all_ended_up_to = row.row
                continue
            are_all_ended = False
            open_ids.add(row.id)
            try:
                self._look_at(row, spool)
            except ExportFailed as error:
                # What is wrong with one file holds up no other export.
                failed = failed or error
        for export_id in spool.ids() - open_ids:
            spool.remove(export_id)
        if failed is not None:
            raise failed

    def _exports(self) -> Iterator[ExportRow]:
        request = ExportsRequest(after=self._all_ended_up_to)
        while rows := self._client.call(Verb.EXPORTS_PAGE, request, ExportsPage).exports:
            yield from rows
            request = msgspec.structs.replace(request, after=rows[-1].row)

    def _look_at(self, row: ExportRow, spool: Spool) -> None:
        if row.state == "building":
            # Nobody builds it: this thread does one thing at a time.
            row = self._recovered(row, spool)
        if row.state == "approved":
            self._build(row)
        elif row.state in _KEPT:
            self._keep(row, spool)

    def _recovered(self, row: ExportRow, spool: Spool) -> ExportRow:
        """What a builder left that was killed."""
        pace = BuildPace(self._config.access.build_bps, self._clock)
        bundle = spool.find(row.id, pace.take)
        if bundle is not None:
            ready = NoteExport(
                id=row.id, step="ready", size_bytes=bundle.size_bytes, sha256=bundle.sha256
            )
            try:
                return self._note(ready)
            except ExportFailed as error:
                # Nothing was sealed for it: it is of an earlier time.
                log_error(_log, error)
        spool.remove(row.id)
        return self._note(NoteExport(id=row.id, step="interrupted", detail="the builder ended"))

    def _build(self, row: ExportRow) -> None:
        attempts = self._attempts.get(row.id, 0)
        if attempts >= MAX_ATTEMPTS:
            detail = f"the builder ended {attempts} times otherwise than it should"
            self._note(NoteExport(id=row.id, step="failed", detail=detail))
            return
        end = self._run_child(row.id)
        if self._stop.is_set() or end.status == EXIT_LATER:
            return
        if end.status == EXIT_OK:
            self._attempts.pop(row.id, None)
            return
        _log.warning("export %s: its builder ended with %s: %s", row.id, end.status, end.said)
        # One that failed is on record as that, unless evidence could not take it.
        self._attempts[row.id] = attempts + 1

    def _run_child(self, export_id: str) -> BuilderEnd:
        """A builder from its start to its end."""
        order = BuildOrder(config=self._config, export_id=export_id, parent_pid=os.getpid())
        with tempfile.TemporaryFile() as words:
            child = subprocess.Popen(
                [self._program, "-m", "roeh.retrieve.exports.builder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=words,
            )
            try:
                _hand_over(child, msgspec.msgpack.encode(order))
                while child.poll() is None and not self._clock.wait(_POLL_S, self._stop):
                    pass
            finally:
                _end(child)
            words.seek(-min(_LAST_WORDS_BYTES, words.seek(0, os.SEEK_END)), os.SEEK_END)
            said = words.read().decode("utf-8", errors="replace").strip().rpartition("\n")[2]
        return BuilderEnd(child.returncode, one_line(said))

    def _keep(self, row: ExportRow, spool: Spool) -> None:
        """Until its days are over, counted while the node runs."""
        if not spool.has(row.id):
            self._note(
                NoteExport(id=row.id, step="expired", detail="its file is not there any more")
            )
            return
        status = self._client.call(Verb.EVIDENCE_STATUS, EvidenceStatusRequest(), EvidenceStatus)
        since_us = spool.since_age_us(row.id)
        if since_us is None:
            spool.note_since(row.id, status.age_us)
            return
        days = self._config.access.keep_days
        if status.age_us - since_us >= days * _US_PER_DAY:
            spool.remove(row.id)
            self._note(
                NoteExport(id=row.id, step="expired", detail=f"{days:g} days after it was ready")
            )

    def _note(self, note: NoteExport) -> ExportRow:
        return self._client.call(Verb.EXPORT_NOTE, note, ExportHeld).export


def _hand_over(child: subprocess.Popen[bytes], order: bytes) -> None:
    assert child.stdin is not None  # it was asked for
    with contextlib.suppress(BrokenPipeError), child.stdin as pipe:
        pipe.write(order)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Gone when this returns: politely, so that it clears up, then not."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_S)
    if child.poll() is None:
        child.kill()
    child.wait()
