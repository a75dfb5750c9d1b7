"""What happens when a disk is put in: order, judgement, waiting, copy; any other disk: nothing.

Order of steps, and what is there if it ends at one of them:

    1 read      an unprivileged child reads the raw device    nothing, no record
    2 ask       evidence judges trust list, request, approval what it believed is on record
    3 wait      until the bundle is built                     put in again: goes on
    4 read      once more: it is still the same disk          nothing
    5 mount     for this process alone                        unmounted with the process
    6 copy      NAME.part, synced, renamed                    put in again: goes on at that byte
    7 unmount, then `taken` goes on record                    put in again: compared, then 7

Nothing is mounted or written before evidence has believed request and approval.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import ExportFailed, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, exports_dir
from roeh.core.peers import Role, Verb
from roeh.core.retrieval import (
    ApproveExport,
    ExportHeld,
    ExportRow,
    ExportsPage,
    ExportsRequest,
    NoteExport,
    OfferTrustList,
    RequestExport,
    TrustHeld,
    TrustHeldRequest,
)
from roeh.usb.copying import Source, copy_bundle
from roeh.usb.mounting import mounted, sync_device
from roeh.usb.order import Order
from roeh.usb.reading import Disk, DiskOrder, opened_disk, read_order

_POLL_S = 0.25
#: Evidence begins within it after the power came.
_EVIDENCE_S = 120.0
_THERE = ("ready", "taken")
_ENDED = ("refused", "failed", "expired")

#: Told in one line how it goes.
Say = Callable[[str], None]


class Insertion:
    """One disk that was put in.

    Args:
        config: of the node.
        clock: for pauses.
        stop: set when the disk was pulled out, or the machine stops.
        say: told how it goes.
    """

    def __init__(self, config: NodeConfig, clock: Clock, stop: threading.Event, say: Say) -> None:
        self._config, self._clock, self._stop, self._say = config, clock, stop, say
        self._evidence = StreamClient(evidence_socket(config), Role.USB, clock)

    def close(self) -> None:
        """Let the connection to evidence go."""
        self._evidence.close()

    def run(self, device: Path, *, again: bool) -> None:
        """Answer the order on a disk, if there is one.

        Args:
            device: the whole disk.
            again: write the bundle although it was taken before.

        Raises:
            ExportFailed: an order that cannot be answered, or a disk that cannot be written.
            AccessRefused: evidence does not believe it.
            RoehError: evidence does not answer.
        """
        with opened_disk(device) as disk:
            found = read_order(disk)
            if found is None:
                self._say("no order on it: nothing was done")
                return
            # A disk may have been there when the pole was switched on.
            self._evidence.wait_until_there(_EVIDENCE_S, self._stop)
            row = self._asked(found.order)
            if row.state == "taken" and not again:
                self._say(f"export {row.id} was taken before: nothing was written")
                return
            row = self._built(disk, row)
            if read_order(disk) != found:
                raise _pulled_out(device)
            # Still open: as long as it is, no other disk can get its name and number.
            self._copied(device, found, row)

    def _asked(self, order: Order) -> ExportRow:
        """Have evidence judge the order."""
        if order.trust_list_p7m:
            held = self._evidence.call(Verb.TRUST_HELD, TrustHeldRequest(), TrustHeld)
            # An older one would be refused, which would be on record for nothing.
            if order.trust_list_version > held.version:
                offer = OfferTrustList(signed=order.trust_list_p7m, via="usb")
                self._evidence.call(Verb.TRUST_OFFER, offer, TrustHeld)
        row = self._call(Verb.EXPORT_REQUEST, RequestExport(order.request_p7m))
        if row.approval_p7m != order.approval_p7m:
            row = self._call(Verb.EXPORT_APPROVE, ApproveExport(order.approval_p7m))
        return row

    def _built(self, disk: Disk, row: ExportRow) -> ExportRow:
        """The export once its bundle is there."""
        said = ""
        while row.state not in _THERE:
            if row.state in _ENDED:
                raise ExportFailed(
                    what=f"the export is {row.state}" + (f" ({row.detail})" if row.detail else ""),
                    which=row.id,
                    remedy="ask for another: roeh police request",
                )
            share = f" {100 * row.bytes_done // row.bytes_total} %" if row.bytes_total else ""
            state = f"export {row.id} is {row.state}{share}"
            if state != said:
                self._say(state)
                said = state
            if self._clock.wait(_POLL_S, self._stop) or not disk.size_bytes:
                raise _pulled_out(disk.path)
            asked = ExportsRequest(id=row.id, limit=1)
            page = self._evidence.call(Verb.EXPORTS_PAGE, asked, ExportsPage)
            row = page.exports[0]
        return row

    def _copied(self, device: Path, found: DiskOrder, row: ExportRow) -> None:
        source = Source(
            path=exports_dir(self._config) / f"{row.id}.age",
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            name=f"roeh-export-{row.id}.zip.age",
        )
        place, told = 0, -1

        def on_place(place_bytes: int) -> None:
            nonlocal place, told
            place = place_bytes
            if self._stop.is_set():
                raise _pulled_out(device)
            tenth = 10 * place_bytes // max(1, row.size_bytes)
            if tenth != told:
                told = tenth
                self._say(f"export {row.id}: {10 * tenth} % on the disk")

        try:
            with mounted(device, found.partition) as directory:
                copied = copy_bundle(source, directory, on_place)
            sync_device(device)
        except (RoehError, OSError) as error:
            failed = error if isinstance(error, RoehError) else _lost(device, error)
            detail = f"a copy to a disk ended at byte {place} of {row.size_bytes}: {failed.what}"
            self._note(NoteExport(id=row.id, step="untaken", detail=detail[:500]))
            raise failed from error
        detail = "copied to a disk at the pole"
        if copied.was_there_bytes:
            detail += f", where {copied.was_there_bytes} bytes of it lay from a copy before"
        self._note(NoteExport(id=row.id, step="taken", detail=detail))
        self._say(f"export {row.id} is on the disk: {row.size_bytes} bytes; take it out")

    def _note(self, note: NoteExport) -> None:
        self._call(Verb.EXPORT_NOTE, note)

    def _call(self, verb: Verb, request: msgspec.Struct) -> ExportRow:
        return self._evidence.call(verb, request, ExportHeld).export


def _pulled_out(device: Path) -> ExportFailed:
    return ExportFailed(
        what="the disk was pulled out, or another put in its place",
        which=str(device),
        remedy="put it in again: it goes on where it ended",
    )


def _lost(device: Path, error: OSError) -> ExportFailed:
    return ExportFailed(
        what=f"the disk failed ({error.strerror})",
        which=str(device),
        remedy="put it in again: it goes on where it ended; or take another",
    )
