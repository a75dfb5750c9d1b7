"""Fetching a bundle: from any byte on, as often as it is cut, until all is there and right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.errors import ExportFailed
from roeh.police.answers import Export
from roeh.police.part_file import PartFile, part_file
from roeh.police.patience import Patience
from roeh.police.pole import Busy, Pole
from roeh.police.screen import OnBytes, bytes_progress

_OVER = frozenset({"refused", "failed", "expired"})
_POLL_S = 1.0
_CHUNK_BYTES = 1024 * 1024

#: Told how an export goes on while it is waited for.
OnState = Callable[[Export], None]


class TakenBody(msgspec.Struct, frozen=True):
    """What the bytes hash to that arrived."""

    sha256: str


def fetch(
    pole: Pole,
    export_id: str,
    path: Path,
    *,
    timeout_s: float,
    clock: Clock,
    on_state: OnState,
    is_quiet: bool,
) -> Export:
    """Fetch a bundle into `path`, waiting until it is ready.

    Args:
        pole: where it is.
        export_id: which.
        path: a new file.
        timeout_s: without anything new, until it is given up; what came stays as FILE.part.
        clock: for pauses.
        on_state: told of the export whenever it is another than before.
        is_quiet: without bars.

    Raises:
        ExportFailed: the export is over, or what came is not what the pole said, twice.
        OutputRefused: it cannot be written.
        RoehError: what the pole said, or that it cannot be reached.
    """
    patience = Patience(timeout_s, clock)
    with part_file(path) as part:
        export = _ready(pole, export_id, patience, on_state)
        with bytes_progress("checking what is there", export.size_bytes, is_quiet=is_quiet) as told:
            part.begin(export.sha256, told)
        for _ in range(2):
            _fill(pole, export, part, patience, is_quiet=is_quiet)
            if part.sha256 == export.sha256:
                break
            # A power cut can leave a part that is long enough and not what was written.
            part.restart()
        else:
            raise ExportFailed(
                what="what came is not the bundle that the pole names (SHA-256 differs)",
                which=f"export {export_id}",
                remedy="tell the technician: the pole's disk or the way to it changes bytes",
            )
        part.finish()
    return export


def is_whole(path: Path, export: Export) -> bool:
    """Whether a file is the bundle already.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file() or path.stat().st_size != export.size_bytes:
        return False
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
    return sha256.hexdigest() == export.sha256


def tell_taken(pole: Pole, export: Export, patience: Patience) -> None:
    """Have the pole put on record that all of it arrived.

    Raises:
        RoehError: what the pole said, or that it cannot be reached; the file is whole.
    """
    body = msgspec.json.encode(TakenBody(sha256=export.sha256))
    while True:
        try:
            pole.post(f"/exports/{export.id}/taken", body, "application/json", Export)
        except Busy as busy:
            patience.wait(busy)
        else:
            return


def _ready(pole: Pole, export_id: str, patience: Patience, on_state: OnState) -> Export:
    """The export once there is a bundle."""
    before: Export | None = None
    while True:
        try:
            export = pole.get(f"/exports/{export_id}", Export)
        except Busy as busy:
            patience.wait(busy)
            continue
        if export.state in ("ready", "taken"):
            return export
        if export.state in _OVER:
            raise ExportFailed(
                what=f"the export is {export.state}" + (export.detail and f" ({export.detail})"),
                which=f"export {export_id}",
                remedy="ask for another: roeh police request",
            )
        if before is None or (before.state, before.bytes_done) != (export.state, export.bytes_done):
            patience.progressed()
            on_state(export)
        before = export
        waits = "for an approval" if export.state == "requested" else "until it is built"
        error = ExportFailed(
            what=f"waited in vain {waits}",
            which=f"export {export_id}",
            remedy="fetch it later; roeh police show tells how it is",
        )
        patience.wait(Busy(error, _POLL_S))


def _fill(
    pole: Pole, export: Export, part: PartFile, patience: Patience, *, is_quiet: bool
) -> None:
    """Fetch what is missing."""
    with bytes_progress("fetching", export.size_bytes, is_quiet=is_quiet) as show:

        def on_bytes(size_bytes: int) -> None:
            patience.progressed()
            show(size_bytes)

        show(part.size_bytes)
        while part.size_bytes < export.size_bytes:
            try:
                _fill_once(pole, export, part, on_bytes)
            except Busy as busy:
                patience.wait(busy)


def _fill_once(pole: Pole, export: Export, part: PartFile, on_bytes: OnBytes) -> None:
    path = f"/exports/{export.id}/bundle"
    with pole.stream(path, part.size_bytes, export.sha256) as stream:
        if stream.etag != export.sha256 or stream.total_bytes != export.size_bytes:
            raise ExportFailed(
                what="the pole has another bundle by now",
                which=f"export {export.id}",
                remedy="fetch it again",
            )
        if stream.offset_bytes != part.size_bytes:
            # It began anew: whatever answers between here and there knows no ranges.
            part.restart()
        for chunk in stream.chunks():
            if part.size_bytes + len(chunk) > export.size_bytes:
                raise ExportFailed(
                    what="more came than the bundle is long",
                    which=f"export {export.id}",
                    remedy="fetch it again",
                )
            part.write(chunk)
            on_bytes(len(chunk))
