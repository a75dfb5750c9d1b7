"""A bundle is fetched: from any byte on, paced, and what arrived is put on record."""

from __future__ import annotations

import asyncio
import os
import re
from collections import OrderedDict
from typing import NamedTuple

from aiohttp import web

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import ExportFailed, RoehError
from roeh.core.log import log_error, log_for
from roeh.core.paths import exports_dir
from roeh.core.retrieval import ExportRow, NoteExport
from roeh.retrieve.api.answers import Export
from roeh.retrieve.door.doors import ByteBudget
from roeh.retrieve.door.problems import HttpProblem, malformed
from roeh.retrieve.visits.exporting import Exporting
from roeh.retrieve.visits.visit import Visit

_CHUNK_BYTES = 256 * 1024
#: A client that takes nothing for so long is given up.
_STALLED_S = 60.0
#: Fetches whose pieces are remembered; the one heard longest ago is forgotten.
_MAX_FETCHES = 64
#: Pieces of one fetch; a client that takes more of them apart says itself that it is done.
_MAX_PIECES = 4096
_RANGE = re.compile(r"bytes=([0-9]{0,16})-([0-9]{0,16})")

_log = log_for("retrieve.fetching")


class Stretch(NamedTuple):
    """Bytes of a file, [start, stop)."""

    start: int
    stop: int


class _DiskEnded(OSError):
    """The bundle cannot be read on."""


class Fetching:
    """Sends bundles to who asked for them."""

    def __init__(self, config: NodeConfig, clock: Clock, exporting: Exporting) -> None:
        self._directory = exports_dir(config)
        self._clock = clock
        self._exporting = exporting
        self._budget = ByteBudget(config.access.build_bps)
        self._delivered: OrderedDict[tuple[str, str], list[Stretch]] = OrderedDict()
        self.bytes_sent = 0

    async def fetch(self, visit: Visit, export_id: str, request: web.Request) -> web.StreamResponse:
        """Answer GET or HEAD of a bundle.

        Raises:
            HttpProblem: it is not theirs, not there yet, or has no such range.
            RoehError: refused, or the file is gone.
        """
        row = await self._exporting.fetched_by(visit, export_id)
        etag = f'"{row.sha256}"'
        asked = request.headers.get("Range")
        if request.headers.get("If-Range", etag) != etag:
            asked = None
        stretch = None if asked is None else range_of(asked, row.size_bytes)
        response = web.StreamResponse(status=200 if stretch is None else 206)
        response.content_type = "application/octet-stream"
        response.headers["ETag"] = etag
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["Content-Disposition"] = (
            f'attachment; filename="roeh-export-{row.id}.zip.age"'
        )
        if stretch is None:
            stretch = Stretch(0, row.size_bytes)
        else:
            response.headers["Content-Range"] = (
                f"bytes {stretch.start}-{stretch.stop - 1}/{row.size_bytes}"
            )
        response.content_length = stretch.stop - stretch.start
        descriptor = await asyncio.to_thread(self._opened, row)
        try:
            await response.prepare(request)
            if request.method == "GET":
                await self._send(visit, row, stretch, response, descriptor)
        finally:
            os.close(descriptor)
        return response

    async def taken(self, visit: Visit, export_id: str, sha256: str) -> Export:
        """The client says that the bundle arrived whole.

        Raises:
            HttpProblem: it is not theirs, or what arrived is not the bundle.
            RoehError: refused, or evidence cannot answer.
        """
        row = await self._exporting.fetched_by(visit, export_id)
        if sha256 != row.sha256:
            raise HttpProblem(
                409,
                code="EXPORT_FAILED",
                what="what arrived is not the bundle",
                which=f"export {export_id}",
                remedy="fetch it again; its SHA-256 is in the export's ETag",
            )
        self._delivered.pop((row.id, visit.number), None)
        return await self._exporting.note(visit, _note(row, "taken"))

    async def _send(
        self,
        visit: Visit,
        row: ExportRow,
        stretch: Stretch,
        response: web.StreamResponse,
        descriptor: int,
    ) -> None:
        at = stretch.start
        try:
            while at < stretch.stop:
                size = min(_CHUNK_BYTES, stretch.stop - at)
                wait_s = self._budget.take(size, self._clock.mono_ns())
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                chunk = await asyncio.to_thread(_read, descriptor, at, size)
                await asyncio.wait_for(response.write(chunk), _STALLED_S)
                at += len(chunk)
                self.bytes_sent += len(chunk)
            await asyncio.wait_for(response.write_eof(), _STALLED_S)
        except (OSError, asyncio.TimeoutError) as error:
            self._remember(visit, row, Stretch(stretch.start, at))
            ended = "connection"
            if isinstance(error, _DiskEnded):
                ended = "bundle's disk"
                _log.error("%s: its bundle cannot be read: %s", row.id, error)
            detail = f"the {ended} ended at byte {at} of {row.size_bytes}"
            await self._note(visit, _note(row, "untaken", detail))
            # A part of the answer is on its way: no other one can follow it.
            raise ConnectionResetError(detail) from None
        if self._remember(visit, row, stretch):
            await self._note(visit, _note(row, "taken"))

    async def _note(self, visit: Visit, note: NoteExport) -> None:
        """Put on record what happened; the bytes were sent, whatever evidence says."""
        try:
            await asyncio.shield(self._exporting.note(visit, note))
        except RoehError as error:
            log_error(_log, error)
        except HttpProblem as problem:
            _log.error("%s: %s", note.id, problem)

    def _remember(self, visit: Visit, row: ExportRow, stretch: Stretch) -> bool:
        """Whether every byte was sent to this person by now; it begins anew then."""
        key = row.id, visit.number
        pieces = joined([*self._delivered.pop(key, ()), stretch])
        if pieces == [Stretch(0, row.size_bytes)]:
            return True
        self._delivered[key] = pieces[:_MAX_PIECES]
        while len(self._delivered) > _MAX_FETCHES:
            self._delivered.popitem(last=False)
        return False

    def _opened(self, row: ExportRow) -> int:
        path = self._directory / f"{row.id}.age"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise _gone(row, error.strerror or "unreadable") from error
        if os.fstat(descriptor).st_size != row.size_bytes:
            os.close(descriptor)
            raise _gone(row, "not as long as when it was made")
        return descriptor


def range_of(header: str, size_bytes: int) -> Stretch | None:
    """The one range that is asked for; None: several, which are answered with the whole.

    Raises:
        HttpProblem: it is no range, or lies behind the end.
    """
    if "," in header:
        return None
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found[1] == found[2] == "":
        raise malformed("is no range of bytes", "header Range")
    if not found[1]:
        start, stop = max(0, size_bytes - int(found[2])), size_bytes
    else:
        start = int(found[1])
        stop = min(size_bytes, int(found[2]) + 1) if found[2] else size_bytes
    if start >= stop:
        raise HttpProblem(
            416,
            code="MESSAGE_REFUSED",
            what="the range holds nothing of the bundle",
            which=f"bytes {start} to {stop}",
            remedy="begin before the end",
            headers=(("Content-Range", f"bytes */{size_bytes}"),),
        )
    return Stretch(start, stop)


def joined(stretches: list[Stretch]) -> list[Stretch]:
    """Stretches that touch are one; in order."""
    found: list[Stretch] = []
    for stretch in sorted(stretches):
        if found and stretch.start <= found[-1].stop:
            found[-1] = Stretch(found[-1].start, max(found[-1].stop, stretch.stop))
        elif stretch.start < stretch.stop:
            found.append(stretch)
    return found


def _read(descriptor: int, at: int, size: int) -> bytes:
    try:
        chunk = os.pread(descriptor, size, at)
        # What was sent is not read again soon: the page cache belongs to the recording.
        os.posix_fadvise(descriptor, at, len(chunk), os.POSIX_FADV_DONTNEED)
    except OSError as error:
        raise _DiskEnded(error.strerror) from error
    if not chunk:
        raise _DiskEnded("it is shorter than it was")
    return chunk


def _note(row: ExportRow, step: str, detail: str = "") -> NoteExport:
    return NoteExport(
        id=row.id,
        step="taken" if step == "taken" else "untaken",
        detail=detail,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
    )


def _gone(row: ExportRow, why: str) -> ExportFailed:
    return ExportFailed(
        what=f"the bundle cannot be read ({why})",
        which=f"export {row.id}",
        remedy="tell the technician; ask for another export meanwhile",
    )
