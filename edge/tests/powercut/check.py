"""After the cut and the recovery: is all there that was acknowledged, and nothing wrong?

Reads the recovered directory as it lies there, when no process has it open.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from roeh.bitstream.media_signing import is_media_signing_sei
from roeh.bitstream.mp4_read import read_fragments
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import SystemClock
from roeh.core.types import Alert, AlertDraft
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check
from tests.gops import UNITS_PER_GOP
from tests.powercut.acknowledgements import (
    Acknowledgement,
    AlertAcknowledged,
    CheckpointPublished,
    FragmentAcknowledged,
)
from tests.powercut.ledger_findings import Ledger, notes_in_alerts

_GONE = {"garbage", "pruned"}
_PROBE = (
    *("ffprobe", "-v", "error", "-count_packets"),
    *("-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"),
)
#: Of each cut so many files are given to it.
_PROBED = 2


class Findings(msgspec.Struct, frozen=True):
    """`lost`: what was acknowledged and is not there; `wrong`: what else must not be.

    `records` counts the ledger by kind.
    """

    lost: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    records: dict[str, int] = {}


def check(
    data_dir: Path, acknowledged: list[Acknowledgement], findings: Path, had_faults: bool
) -> None:
    """Look at a data directory whose evidence has ended, and write the findings to a file.

    `had_faults`: its medium did not only lose its power, so that faults are on record.
    """
    try:
        found = _look(data_dir, acknowledged, had_faults)
    except sqlite3.DatabaseError as error:
        found = Findings(lost=(f"everything: node.db cannot be read ({error})",))
    findings.write_bytes(msgspec.json.encode(found))


def _look(data_dir: Path, acknowledged: list[Acknowledgement], had_faults: bool) -> Findings:
    published = {thing.note for thing in acknowledged if isinstance(thing, CheckpointPublished)}
    address = f"file:{data_dir / 'node.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        ledger = Ledger(connection)
        return Findings(
            lost=tuple(_lost(_Store(connection, ledger, data_dir), acknowledged)),
            wrong=(
                *_wrong_index(connection),
                *ledger.wrong(connection, data_dir / "ledger", had_faults=had_faults),
                *ledger.forks(published | notes_in_alerts(connection)),
                *_unplayable(connection, data_dir),
                *_unverified(data_dir, published),
            ),
            records=ledger.kinds(),
        )


def _lost(store: _Store, acknowledged: Iterable[Acknowledgement]) -> Iterator[str]:
    for thing in acknowledged:
        if isinstance(thing, AlertAcknowledged):
            why = store.why_no_alert(thing)
            if why:
                yield f"{why} of alert {thing.seq} ({thing.id})"
        elif isinstance(thing, FragmentAcknowledged):
            why = store.why_no_fragment(thing)
            if why:
                yield f"{why}: fragment {thing.fragment} of {thing.camera_id}/{thing.segment}"


class _Store:
    """What is there of what was acknowledged; each answer is empty when all is."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger, data_dir: Path) -> None:
        self._connection = connection
        self._ledger = ledger
        self._segments = data_dir / "segments"

    def why_no_fragment(self, thing: FragmentAcknowledged) -> str:
        """Its bytes have their hash and are the pictures that were sent, or a rule took it."""
        segment = self._connection.execute(
            "SELECT row, state, init_bytes FROM segment WHERE camera_id = ? AND number = ?",
            (thing.camera_id, thing.segment),
        ).fetchone()
        if segment is None:
            return "no row of its segment"
        row, state, init_bytes = segment
        if state in _GONE:
            return "" if row in self._ledger.pruned_rows else "deleted without a record"
        fragment = self._connection.execute(
            "SELECT offset_bytes, size_bytes, sha256, capture_seq FROM fragment"
            " WHERE segment_row = ? AND number = ?",
            (row, thing.fragment),
        ).fetchone()
        if fragment is None or fragment[3] != thing.capture_seq:
            return "no row"
        offset_bytes, size_bytes, sha256, _ = fragment
        try:
            with segment_path(self._segments, thing.camera_id, thing.segment).open("rb") as file:
                init = file.read(init_bytes)
                file.seek(offset_bytes)
                content = file.read(size_bytes)
        except FileNotFoundError:
            return "no file"
        if hashlib.sha256(content).digest() != sha256:
            return "other bytes"
        return "" if _pictures_sha256(init + content) == thing.pictures_sha256 else "other pictures"

    def why_no_alert(self, thing: AlertAcknowledged) -> str:
        """The alert, its thumbnail, its lock, and both on their way out: none was delivered."""
        found = self._connection.execute(
            "SELECT payload_json, picture FROM alert LEFT JOIN thumbnail USING (seq)"
            " WHERE seq = ? AND id = ?",
            (thing.seq, thing.id),
        ).fetchone()
        if found is None:
            return "all"
        payload, thumbnail = found
        alert = msgspec.json.decode(payload, type=Alert)
        fields = {name: getattr(alert, name) for name in AlertDraft.__struct_fields__}
        draft = msgspec.json.encode(AlertDraft(**fields))
        if hashlib.sha256(draft).hexdigest() != thing.draft_sha256:
            return "the content"
        if thumbnail is None or hashlib.sha256(thumbnail).hexdigest() != thing.thumbnail_sha256:
            return "the thumbnail"
        (rows,) = self._connection.execute(
            "SELECT count(*) FROM outbox WHERE seq = ? AND kind IN ('alert', 'thumb')",
            (thing.seq,),
        ).fetchone()
        if rows != 2:
            return "the way out"
        return "" if self._is_locked(thing) else "the lock"

    def _is_locked(self, thing: AlertAcknowledged) -> bool:
        """It covers what the alert rests on, or it gave way by record."""
        seen = thing.evidence
        lock = self._connection.execute(
            "SELECT from_mono_us, to_mono_us, state FROM lock"
            " WHERE raised_id = ? AND camera_id = ? AND boot_id = ?",
            (thing.raised_id, seen.camera_id, thing.boot_id),
        ).fetchone()
        if lock is None:
            return False
        from_us, to_us, state = lock
        if state != "active":
            return thing.raised_id in self._ledger.unlocked
        return bool(from_us <= seen.first_t_mono_us and seen.last_t_mono_us <= to_us)


def segment_path(segments: Path, camera_id: str, number: int) -> Path:
    """As the format page says."""
    return segments / camera_id / f"{number:08}.mp4"


def _pictures_sha256(content: bytes) -> str:
    """Of a fragment's pictures, without the signatures that were put before them."""
    pictures = hashlib.sha256()
    for fragment in read_fragments(content):
        for unit in fragment.units:
            for nal in split_length_prefixed(unit.nal_units):
                if not is_media_signing_sei(nal):
                    pictures.update(len(nal).to_bytes(4, "big") + bytes(nal))
    return pictures.hexdigest()


def _wrong_index(connection: sqlite3.Connection) -> Iterator[str]:
    (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    if sound != "ok":
        yield f"node.db: {sound}"
    counted = connection.execute("SELECT count(*), coalesce(max(seq), 0) FROM alert")
    count, newest = counted.fetchone()
    if count != newest:
        yield f"{newest - count} holes in the count of alerts"
    (unsettled,) = connection.execute(
        "SELECT count(*) FROM segment WHERE state IN ('open', 'garbage')"
    ).fetchone()
    if unsettled:
        yield f"{unsettled} segments are neither closed nor pruned"


def _unverified(data_dir: Path, published: set[str]) -> Iterator[str]:
    """What the offline verifier has against it, with the checkpoints that left the pole."""
    kept = tuple(NoteSource("published", note, is_own=False) for note in published)
    report = verify(data_dir, Beliefs(checkpoints=kept), SystemClock(), lambda _: None)
    for conclusion in report.conclusions:
        is_needed = conclusion.aspect in {Aspect.BYTES, Aspect.COMPLETE}
        if conclusion.check is Check.FAIL or (is_needed and conclusion.check is not Check.OK):
            yield f"verify: {conclusion.aspect.value}: {conclusion.check.value}: " + "; ".join(
                conclusion.reasons
            )


def _unplayable(connection: sqlite3.Connection, data_dir: Path) -> Iterator[str]:
    """What a stock program thinks of the newest segments that recovery closed."""
    recovered = connection.execute(
        "SELECT camera_id, number, fragments FROM segment"
        " WHERE end_reason = 'recovered' AND state = 'closed' ORDER BY row DESC LIMIT ?",
        (_PROBED,),
    )
    for camera_id, number, fragments in recovered:
        path = segment_path(data_dir / "segments", camera_id, number)
        done = subprocess.run([*_PROBE, path], capture_output=True, text=True, check=False)
        pictures = [str(fragments * UNITS_PER_GOP)]
        if done.returncode or done.stderr or done.stdout.split() != pictures:
            yield f"ffprobe reads {camera_id}/{number}: {done.stdout} {done.stderr}"
