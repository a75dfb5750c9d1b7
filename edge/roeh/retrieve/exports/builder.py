"""The builder: a child of retrieve that makes one bundle and ends.

It has no socket that listens and no key; it reads segments, asks evidence, and writes into the
spool. It yields to whoever records: last for CPU and disk, and no faster than `build_bps`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

import msgspec

from roeh.bundle.credentials import ContentCredentials
from roeh.bundle.encryption import encrypt
from roeh.bundle.redacting import Redactor
from roeh.bundle.rendering import Renderer
from roeh.bundle.reporting import RenderedReports
from roeh.bundle.span_rows import Evidence
from roeh.bundle.spill import Spills
from roeh.bundle.timestamps import TimestampAuthority
from roeh.bundle.writer import BundleParts, BundleWriter
from roeh.core.clock import NS_PER_S, Clock, SystemClock
from roeh.core.config import NodeConfig
from roeh.core.errors import (
    EXIT_OK,
    EvidenceRefused,
    ExportFailed,
    PeerGone,
    RoehError,
    StorageFailed,
    StorageFull,
)
from roeh.core.ipc.stream import StreamClient
from roeh.core.moments import size_text
from roeh.core.paths import evidence_socket, exports_dir, segments_dir
from roeh.core.peers import Role, Verb
from roeh.core.retrieval import BeginExport, ExportBegun, ExportHeld, ExportRequest, NoteExport
from roeh.core.sandbox import yield_to_others
from roeh.ledger.segments import SegmentFiles
from roeh.retrieve.exports.build_order import EXIT_FAILED, EXIT_LATER, BuildOrder
from roeh.retrieve.exports.build_pace import BuildPace
from roeh.retrieve.exports.spool import Bundle, PartFile, Spool

_TIMEOUT_S: Final = 30.0
_PROGRESS_NS: Final = NS_PER_S
_PR_SET_PDEATHSIG: Final = 1
#: What evidence answers to EXPORT_BEGIN while a segment of the span is still written.
_SEGMENT_OPEN: Final = "segment_open"
_MAX_DETAIL_CHARS: Final = 500


class BuildLater(Exception):
    """Not now: evidence went away, or a segment of the span is still being written."""


class Builder:
    """Makes the bundle of one approved export.

    Args:
        evidence: answers as it does to Role.RETRIEVE.
        renderer: for report and copies.

    Raises:
        ExportFailed: the spool cannot be used.
    """

    def __init__(
        self, config: NodeConfig, evidence: Evidence, clock: Clock, renderer: Renderer
    ) -> None:
        self._config = config
        self._evidence = evidence
        self._clock = clock
        self._renderer = renderer
        self._spool = Spool(exports_dir(config))

    def build(self, export_id: str) -> Bundle:
        """From nothing to ready, on record; when it fails, that is.

        Raises:
            BuildLater: to be begun again.
            StorageFull, StorageFailed: evidence could not do its part; it may be tried again.
            RoehError: it failed, and that is on record if evidence takes it.
        """
        begun = self._begun(export_id)
        try:
            bundle = self._built(begun)
        except PeerGone as gone:
            raise BuildLater(gone.line()) from None
        except (StorageFull, StorageFailed):
            raise
        except RoehError as error:
            self._fail(export_id, error)
            raise
        except OSError as error:
            failed = _disk_failed(error, exports_dir(self._config).as_posix())
            self._fail(export_id, failed)
            raise failed from None
        ready = NoteExport(
            id=export_id, step="ready", size_bytes=bundle.size_bytes, sha256=bundle.sha256
        )
        self._note(ready)
        return bundle

    def _begun(self, export_id: str) -> ExportBegun:
        try:
            return self._evidence.call(Verb.EXPORT_BEGIN, BeginExport(export_id), ExportBegun)
        except PeerGone as gone:
            raise BuildLater(gone.line()) from None
        except EvidenceRefused as refused:
            if _SEGMENT_OPEN in refused.what:
                raise BuildLater(refused.line()) from None
            raise

    def _built(self, begun: ExportBegun) -> Bundle:
        export_id = begun.export.id
        request = msgspec.json.decode(begun.export.request, type=ExportRequest)
        access = self._config.access
        with contextlib.ExitStack() as stack:
            spills = stack.enter_context(Spills(self._spool.directory))
            files = stack.enter_context(contextlib.closing(self._segment_files()))
            parts = BundleParts(
                evidence=self._evidence,
                files=files,
                clock=self._clock,
                timestamps=TimestampAuthority(access.tsa_url, self._clock),
                reporter=RenderedReports(
                    self._renderer, files, self._config.sensors, self._config.node.heading_deg
                ),
                redactor=Redactor(
                    self._renderer, files, self._config.sensors, self._spool.directory
                ),
                credentials=ContentCredentials(access.c2pa_file),
            )
            writer = BundleWriter(parts, begun, spills)
            estimated_bytes = writer.estimated_bytes()
            self._check_room(estimated_bytes)

            def tell(done_bytes: int) -> None:
                self._check_free(0)
                progress = NoteExport(
                    id=export_id,
                    step="building",
                    bytes_done=done_bytes,
                    bytes_total=max(done_bytes, estimated_bytes),
                )
                self._note(progress)

            part = stack.enter_context(self._spool.writing(export_id))
            pace = BuildPace(access.build_bps, self._clock)
            encrypt(writer.pieces(), _PacedPart(part, pace, tell, self._clock), request.recipients)
        return part.bundle()

    def _segment_files(self) -> SegmentFiles:
        directory = segments_dir(self._config)
        if not directory.is_dir():
            raise ExportFailed(
                what="the directory of segments is not there, or cannot be looked into",
                which=str(directory),
                remedy="let the user of retrieve into evidence's group",
            )
        return SegmentFiles(directory)

    def _check_room(self, needed_bytes: int) -> None:
        """Beside what is kept free for recording, and below the bound of all bundles."""
        self._check_free(needed_bytes)
        used_bytes = self._spool.room().used_bytes
        bound_bytes = self._config.access.exports_max_bytes
        if needed_bytes > bound_bytes - used_bytes:
            raise _no_room(
                f"it takes about {size_text(needed_bytes)}; bundles may take "
                f"{size_text(bound_bytes)} and take {size_text(used_bytes)}"
            )

    def _check_free(self, needed_bytes: int) -> None:
        free_bytes = self._spool.room().free_bytes
        kept_bytes = self._config.evidence.min_free_bytes
        if needed_bytes > free_bytes - kept_bytes:
            raise _no_room(
                f"it takes about {size_text(needed_bytes)} more; {size_text(free_bytes)} are "
                f"free, and {size_text(kept_bytes)} stay free for recording"
            )

    def _fail(self, export_id: str, error: RoehError) -> None:
        detail = f"{error.what}: {error.which}"[:_MAX_DETAIL_CHARS]
        self._note(NoteExport(id=export_id, step="failed", detail=detail))

    def _note(self, note: NoteExport) -> None:
        self._evidence.call(Verb.EXPORT_NOTE, note, ExportHeld)


class _PacedPart:
    """The part file behind the budget; once a second, how far it is.

    Args:
        tell: told how many bytes are written; may refuse to go on.
    """

    def __init__(
        self, part: PartFile, pace: BuildPace, tell: Callable[[int], None], clock: Clock
    ) -> None:
        self._part = part
        self._pace = pace
        self._tell = tell
        self._clock = clock
        self._told_ns = clock.mono_ns()

    def write(self, content: bytes, /) -> int:
        self._pace.take(len(content))
        self._part.write(content)
        now_ns = self._clock.mono_ns()
        if now_ns - self._told_ns >= _PROGRESS_NS:
            self._told_ns = now_ns
            self._tell(self._part.size_bytes)
        return len(content)


def run(order: BuildOrder, clock: Clock) -> int:
    """Build what is ordered; the exit status."""
    client = StreamClient(evidence_socket(order.config), Role.RETRIEVE, clock, timeout_s=_TIMEOUT_S)
    with contextlib.closing(client):
        try:
            Builder(order.config, client, clock, Renderer(clock=clock)).build(order.export_id)
        except BuildLater as later:
            sys.stderr.write(f"{later}\n")
            return EXIT_LATER
        except RoehError as error:
            sys.stderr.write(f"{error.line()}\n")
            return EXIT_FAILED
    return EXIT_OK


def main() -> int:
    """The child process."""
    signal.signal(signal.SIGTERM, _end)
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=BuildOrder)
    # At once: it must not clear up when another one writes under the same name already.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != order.parent_pid:
        return EXIT_LATER  # the parent ended before that was asked for
    yield_to_others()
    return run(order, SystemClock())


def _end(_number: int, _frame: FrameType | None) -> None:
    """Unwinds everything, so that no unfinished file is left."""
    raise SystemExit(EXIT_LATER)


def _disk_failed(error: OSError, where: str) -> ExportFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_room(where)
    return ExportFailed(
        what=f"the bundle's disk does not work ({error.strerror or error})",
        which=where,
        remedy="check access.exports_dir: its owner, its mode and its mount",
    )


def _no_room(figures: str) -> ExportFailed:
    return ExportFailed(
        what="no room for the bundle",
        which=figures,
        remedy="have bundles that were taken removed, or ask for a shorter span",
    )


if __name__ == "__main__":
    sys.exit(main())
