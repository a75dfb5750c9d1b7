"""After the cut and the recovery: is all there that was acknowledged, and nothing wrong?

Reads the recovered directory as it lies there, with as little of the node's own code as
possible: the hashes, the tree and the comparison with the mirror are made here again.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from roeh.bitstream.media_signing import is_media_signing_sei
from roeh.bitstream.mp4_read import read_fragments
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.types import Alert, AlertDraft
from roeh.ledger.note import parse_checkpoint, parse_note
from tests.gops import UNITS_PER_GOP
from tests.powercut.acknowledgements import (
    Acknowledgement,
    AlertAcknowledged,
    CheckpointPublished,
    FragmentAcknowledged,
)

#: Records that a power cut gives no reason for; a new file's unacknowledged tail it does.
_ALARMING = (
    "SELECT json FROM record WHERE kind IN ('tamper', 'rebuild') OR kind = 'fault'"
    " AND json_extract(json, '$.body.what') != 'unacknowledged_removed'"
)
_KEYS_CHANGED = (
    "SELECT json_extract(json, '$.body.usage') AS usage, count(*) FROM record"
    " WHERE kind = 'key' GROUP BY usage HAVING count(*) > 1"
)
_PROBE = (
    *("ffprobe", "-v", "error", "-count_packets"),
    *("-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"),
)
#: Of each cut so many files are given to it.
_PROBED = 2
_GONE = {"garbage", "pruned"}


class Findings(msgspec.Struct, frozen=True):
    """`lost`: what was acknowledged and is not there; `wrong`: what else must not be."""

    lost: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def check(data_dir: Path, acknowledged: list[Acknowledgement], findings: Path) -> None:
    """Look at a data directory whose evidence has ended, and write the findings to a file."""
    address = f"file:{data_dir / 'node.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        found = Findings(
            lost=tuple(_lost(connection, data_dir, acknowledged)),
            wrong=(
                *_wrong_index(connection),
                *_wrong_ledger(connection, data_dir),
                *_forks(connection, acknowledged),
                *_unplayable(connection, data_dir),
            ),
        )
    findings.write_bytes(msgspec.json.encode(found))


def _lost(
    connection: sqlite3.Connection, data_dir: Path, acknowledged: Iterable[Acknowledgement]
) -> Iterator[str]:
    for thing in acknowledged:
        if isinstance(thing, AlertAcknowledged):
            why = _alert_missing(connection, thing)
            if why:
                yield f"{why} of alert {thing.seq} ({thing.id})"
        elif isinstance(thing, FragmentAcknowledged):
            why = _fragment_missing(connection, data_dir, thing)
            if why:
                yield f"{why}: fragment {thing.fragment} of {thing.camera_id}/{thing.segment}"


def _fragment_missing(
    connection: sqlite3.Connection, data_dir: Path, thing: FragmentAcknowledged
) -> str:
    segment = connection.execute(
        "SELECT row, state, init_bytes FROM segment WHERE camera_id = ? AND number = ?",
        (thing.camera_id, thing.segment),
    ).fetchone()
    if segment is None:
        return "no row of its segment"
    row, state, init_bytes = segment
    if state in _GONE:
        return "" if _is_pruned(connection, row) else "deleted without a record"
    fragment = connection.execute(
        "SELECT offset_bytes, size_bytes, sha256, capture_seq FROM fragment"
        " WHERE segment_row = ? AND number = ?",
        (row, thing.fragment),
    ).fetchone()
    if fragment is None or fragment[3] != thing.capture_seq:
        return "no row"
    offset_bytes, size_bytes, sha256, _ = fragment
    path = data_dir / "segments" / thing.camera_id / f"{thing.segment:08}.mp4"
    try:
        with path.open("rb") as file:
            init = file.read(init_bytes)
            file.seek(offset_bytes)
            content = file.read(size_bytes)
    except FileNotFoundError:
        return "no file"
    if hashlib.sha256(content).digest() != sha256:
        return "other bytes"
    return "" if _pictures_sha256(init + content) == thing.pictures_sha256 else "other pictures"


def _is_pruned(connection: sqlite3.Connection, row: int) -> bool:
    found = connection.execute(
        "SELECT 1 FROM record WHERE kind = 'prune' AND json_extract(json, '$.body.row') = ?", (row,)
    ).fetchone()
    return found is not None


def _pictures_sha256(content: bytes) -> str:
    """Of a fragment's pictures, without the signatures that were put before them."""
    pictures = hashlib.sha256()
    for fragment in read_fragments(content):
        for unit in fragment.units:
            for nal in split_length_prefixed(unit.nal_units):
                if not is_media_signing_sei(nal):
                    pictures.update(len(nal).to_bytes(4, "big") + bytes(nal))
    return pictures.hexdigest()


def _alert_missing(connection: sqlite3.Connection, thing: AlertAcknowledged) -> str:
    """The alert, its thumbnail, its lock, and both on their way out: none was delivered."""
    found = connection.execute(
        "SELECT payload_json, jpeg FROM alert LEFT JOIN thumbnail USING (seq)"
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
    (rows,) = connection.execute(
        "SELECT count(*) FROM outbox WHERE seq = ? AND kind IN ('alert', 'thumb')", (thing.seq,)
    ).fetchone()
    if rows != 2:
        return "the way out"
    return "" if _is_locked(connection, thing) else "the lock"


def _is_locked(connection: sqlite3.Connection, thing: AlertAcknowledged) -> bool:
    """It covers what the alert rests on, or it gave way by record."""
    seen = thing.evidence
    lock = connection.execute(
        "SELECT from_mono_us, to_mono_us, state FROM lock"
        " WHERE raised_id = ? AND camera_id = ? AND boot_id = ?",
        (thing.raised_id, seen.camera_id, thing.boot_id),
    ).fetchone()
    if lock is None:
        return False
    from_us, to_us, state = lock
    if state != "active":
        released = connection.execute(
            "SELECT 1 FROM record WHERE kind = 'unlock'"
            " AND json_extract(json, '$.body.raised_id') = ?",
            (thing.raised_id,),
        ).fetchone()
        return released is not None
    return bool(from_us <= seen.first_t_mono_us and seen.last_t_mono_us <= to_us)


def _wrong_index(connection: sqlite3.Connection) -> Iterator[str]:
    (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    if sound != "ok":
        yield f"node.db: {sound}"
    counted = connection.execute("SELECT count(*), coalesce(max(seq), 0) FROM alert")
    count, newest = counted.fetchone()
    if count != newest:
        yield f"{newest - count} holes in the count of alerts"
    (left_open,) = connection.execute(
        "SELECT count(*) FROM segment WHERE state IN ('open', 'garbage')"
    ).fetchone()
    if left_open:
        yield f"{left_open} segments are neither closed nor pruned"


def _wrong_ledger(connection: sqlite3.Connection, data_dir: Path) -> Iterator[str]:
    records = _records(connection)
    leaves = connection.execute("SELECT coalesce(max(leaf) + 1, 0) FROM record").fetchone()[0]
    if leaves != len(records):
        yield f"{leaves - len(records)} holes in the ledger"
    mirrored = b"".join(path.read_bytes() for path in sorted((data_dir / "ledger").glob("*.jsonl")))
    if mirrored.splitlines() != records:
        yield f"the mirror has {len(mirrored.splitlines())} records, the index {len(records)}"
    for (json,) in connection.execute(_ALARMING):
        yield f"record: {json.decode()}"
    for usage, count in connection.execute(_KEYS_CHANGED):
        yield f"the {usage} key was made {count} times"


def _forks(
    connection: sqlite3.Connection, acknowledged: Iterable[Acknowledgement]
) -> Iterator[str]:
    """Checkpoints that left, or wait in alerts to leave, and that the ledger does not continue."""
    leaves = [hashlib.sha256(b"\0" + record).digest() for record in _records(connection)]
    notes = {thing.note for thing in acknowledged if isinstance(thing, CheckpointPublished)}
    for (payload,) in connection.execute("SELECT payload_json FROM alert"):
        notes.add(msgspec.json.decode(payload, type=Alert).checkpoint)
    for note in notes - {None}:
        checkpoint = parse_checkpoint(parse_note(note).text)
        if checkpoint.size > len(leaves) or _root(leaves[: checkpoint.size]) != checkpoint.root:
            yield f"fork: checkpoint of {checkpoint.size} records, {len(leaves)} are there"


def _unplayable(connection: sqlite3.Connection, data_dir: Path) -> Iterator[str]:
    """What a stock program thinks of the newest segments that recovery closed."""
    recovered = connection.execute(
        "SELECT camera_id, number, fragments FROM segment"
        " WHERE end_reason = 'recovered' AND state = 'closed' ORDER BY row DESC LIMIT ?",
        (_PROBED,),
    )
    for camera_id, number, fragments in recovered:
        path = data_dir / "segments" / camera_id / f"{number:08}.mp4"
        done = subprocess.run([*_PROBE, path], capture_output=True, text=True, check=False)
        if (
            done.returncode
            or done.stderr
            or done.stdout.split() != [str(fragments * UNITS_PER_GOP)]
        ):
            yield f"ffprobe reads {camera_id}/{number}: {done.stdout} {done.stderr}"


def _root(leaves: Sequence[bytes]) -> bytes:
    """Merkle tree hash (RFC 6962, 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _records(connection: sqlite3.Connection) -> list[bytes]:
    return [json for (json,) in connection.execute("SELECT json FROM record ORDER BY leaf")]
