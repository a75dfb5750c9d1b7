"""The rows of segments, fragments, gaps and cameras: read and written in a caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from roeh.bitstream.media_signing import ChainState
from roeh.core.gop import Gop
from roeh.ledger.continuity import CameraEnd, EndReason
from roeh.ledger.log import Log
from roeh.ledger.records import FragmentEntry, GapRecord, SegmentRecord
from roeh.ledger.segments import AppendedBytes, segment_path


class StoredFragment(msgspec.Struct, frozen=True):
    """Where a fragment stands in its file, and what it is."""

    number: int
    offset_bytes: int
    size_bytes: int
    sha256: bytes
    gop_counter: int
    t_first_mono_us: int
    t_end_mono_us: int


class StoredSegment(msgspec.Struct, frozen=True):
    """What is needed to find a segment's file and to judge it."""

    row: int
    camera_id: str
    number: int
    state: str
    init_bytes: int
    init_sha256: bytes
    size_bytes: int
    end_reason: str | None


class CameraChain(msgspec.Struct, frozen=True):
    """Where one camera is: its newest segment's number, its newest group, its signatures."""

    last_number: int
    end: CameraEnd
    signing: ChainState


def begin_segment(
    connection: sqlite3.Connection, gop: Gop, number: int, init: AppendedBytes, *, age_us: int
) -> int:
    """The row of a new open segment that this group begins; no fragment is in it yet."""
    (row,) = connection.execute(
        "INSERT INTO segment (camera_id, number, state, capture_id, boot_id, t_first_mono_us,"
        " t_end_mono_us, t_utc_us, utc_error_us, synchronised, began_age_us, codec, width_px,"
        " height_px, is_masked, init_bytes, init_sha256, size_bytes, fragments)"
        " VALUES (?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) RETURNING row",
        (
            gop.camera_id,
            number,
            gop.capture_id,
            gop.boot_id,
            gop.t_first_mono_us,
            gop.t_first_mono_us,
            gop.t_utc_us,
            gop.utc_error_us,
            gop.synchronised,
            age_us,
            gop.codec_config.codec,
            gop.codec_config.width_px,
            gop.codec_config.height_px,
            gop.is_masked,
            init.size_bytes,
            init.sha256,
            init.size_bytes,
        ),
    ).fetchone()
    return int(row)


def add_fragment(
    connection: sqlite3.Connection, row: int, gop: Gop, appended: AppendedBytes, gop_counter: int
) -> int:
    """The row of the next fragment of an open segment; its number."""
    (count,) = connection.execute(
        "UPDATE segment SET fragments = fragments + 1, size_bytes = ?, t_end_mono_us = ?"
        " WHERE row = ? AND state = 'open' RETURNING fragments",
        (appended.offset_bytes + appended.size_bytes, gop.t_end_mono_us, row),
    ).fetchone()
    connection.execute(
        "INSERT INTO fragment (segment_row, number, capture_seq, offset_bytes, size_bytes, sha256,"
        " gop_counter, t_first_mono_us, t_end_mono_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row,
            count - 1,
            gop.seq,
            appended.offset_bytes,
            appended.size_bytes,
            appended.sha256,
            gop_counter,
            gop.t_first_mono_us,
            gop.t_end_mono_us,
        ),
    )
    return int(count) - 1


def find_fragment(
    connection: sqlite3.Connection, camera_id: str, capture_id: str, capture_seq: int
) -> tuple[int, int] | None:
    """(segment number, fragment number) of a group that was stored; None if it was not.

    It is looked for from the newest segment back, as far as the run of capture reaches.
    """
    for row, number, of_run in connection.execute(
        "SELECT row, number, capture_id FROM segment WHERE camera_id = ? ORDER BY number DESC",
        (camera_id,),
    ):
        if of_run != capture_id:
            break
        found = connection.execute(
            "SELECT number, capture_seq FROM fragment WHERE segment_row = ? AND capture_seq <= ?"
            " ORDER BY number DESC LIMIT 1",
            (row, capture_seq),
        ).fetchone()
        if found is not None:
            return (int(number), int(found[0])) if found[1] == capture_seq else None
    return None


def fragments_of(connection: sqlite3.Connection, row: int) -> Iterator[StoredFragment]:
    """The fragments of a segment, in order."""
    for found in connection.execute(
        "SELECT number, offset_bytes, size_bytes, sha256, gop_counter, t_first_mono_us,"
        " t_end_mono_us FROM fragment WHERE segment_row = ? ORDER BY number",
        (row,),
    ):
        yield StoredFragment(*found)


def segments_in(connection: sqlite3.Connection, state: str) -> list[StoredSegment]:
    """Segments in this state, in the order in which they were begun."""
    found = connection.execute(
        "SELECT row, camera_id, number, state, init_bytes, init_sha256, size_bytes, end_reason"
        " FROM segment WHERE state = ? ORDER BY row",
        (state,),
    )
    return [StoredSegment(*columns) for columns in found]


def newest_numbers(connection: sqlite3.Connection) -> dict[str, int]:
    """The number of each camera's newest segment."""
    newest = "SELECT MAX(number) FROM segment WHERE camera_id = camera_chain.camera_id"
    found = connection.execute(f"SELECT camera_id, ({newest}) FROM camera_chain")  # noqa: S608 - constants
    return {camera_id: number for camera_id, number in found if number is not None}


def close_segment(
    connection: sqlite3.Connection, log: Log, row: int, sha256: bytes, reason: EndReason
) -> int:
    """Say in the ledger what an open segment holds; it is closed from here on. The leaf."""
    columns = connection.execute(
        "SELECT camera_id, number, boot_id, t_first_mono_us, t_end_mono_us, t_utc_us,"
        " utc_error_us, synchronised, codec, width_px, height_px, is_masked, init_bytes,"
        " init_sha256, size_bytes, capture_id, began_age_us FROM segment WHERE row = ?",
        (row,),
    ).fetchone()
    camera_id, number, boot_id, t_first_mono_us, t_end_mono_us, t_utc_us = columns[:6]
    utc_error_us, synchronised, codec, width_px, height_px, is_masked = columns[6:12]
    init_bytes, init_sha256, size_bytes, capture_id, began_age_us = columns[12:]
    leaf = log.append(
        connection,
        SegmentRecord(
            row=row,
            camera_id=camera_id,
            segment=number,
            path=segment_path(camera_id, number),
            boot_id=boot_id,
            t_first_mono_us=t_first_mono_us,
            t_end_mono_us=t_end_mono_us,
            t_utc_us=t_utc_us,
            utc_error_us=utc_error_us,
            synchronised=bool(synchronised),
            codec=codec,
            width_px=width_px,
            height_px=height_px,
            is_masked=bool(is_masked),
            init_bytes=init_bytes,
            init_sha256=init_sha256.hex(),
            size_bytes=size_bytes,
            sha256=sha256.hex(),
            end_reason=reason.value,
            fragments=tuple(
                FragmentEntry(
                    fragment.size_bytes,
                    fragment.sha256.hex(),
                    fragment.gop_counter,
                    fragment.t_first_mono_us,
                )
                for fragment in fragments_of(connection, row)
            ),
            capture_id=capture_id,
            began_age_us=began_age_us,
        ),
    )
    connection.execute(
        "UPDATE segment SET state = 'closed', sha256 = ?, end_reason = ?, leaf = ? WHERE row = ?",
        (sha256, reason.value, leaf, row),
    )
    count_bytes(connection, "video", size_bytes)
    return leaf


def leave_open(connection: sqlite3.Connection, row: int, reason: EndReason) -> None:
    """Say why a segment ended that only the next start can close."""
    connection.execute("UPDATE segment SET end_reason = ? WHERE row = ?", (reason.value, row))


def add_gap(connection: sqlite3.Connection, log: Log, gap: GapRecord) -> None:
    """Say that nothing was recorded in between."""
    insert_gap(connection, gap, log.append(connection, gap))


def insert_gap(connection: sqlite3.Connection, gap: GapRecord, leaf: int) -> None:
    """The row of a gap whose record is at `leaf`."""
    connection.execute(
        "INSERT INTO gap (leaf, camera_id, from_boot_id, from_mono_us, from_utc_us, to_boot_id,"
        " to_mono_us, to_utc_us, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            leaf,
            gap.camera_id,
            gap.from_boot_id,
            gap.from_mono_us,
            gap.from_utc_us,
            gap.to_boot_id,
            gap.to_mono_us,
            gap.to_utc_us,
            gap.reason,
        ),
    )


def read_chain(connection: sqlite3.Connection, camera_id: str) -> CameraChain | None:
    """Where a camera is; None before its first group."""
    found = connection.execute(
        "SELECT last_number, capture_id, capture_seq, boot_id, t_end_mono_us, t_end_utc_us,"
        " end_reason, signing_state FROM camera_chain WHERE camera_id = ?",
        (camera_id,),
    ).fetchone()
    if found is None:
        return None
    number, capture_id, capture_seq, boot_id, t_end_mono_us, t_end_utc_us, reason, state = found
    return CameraChain(
        last_number=number,
        end=CameraEnd(
            capture_id=capture_id,
            capture_seq=capture_seq,
            boot_id=boot_id,
            t_end_mono_us=t_end_mono_us,
            t_end_utc_us=t_end_utc_us,
            end_reason=None if reason is None else EndReason(reason),
        ),
        signing=msgspec.msgpack.decode(state, type=ChainState),
    )


def write_chain(connection: sqlite3.Connection, camera_id: str, chain: CameraChain) -> None:
    """Where a camera is from now on."""
    connection.execute(
        "INSERT OR REPLACE INTO camera_chain (camera_id, last_number, capture_id, capture_seq,"
        " boot_id, t_end_mono_us, t_end_utc_us, end_reason, signing_state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            camera_id,
            chain.last_number,
            chain.end.capture_id,
            chain.end.capture_seq,
            chain.end.boot_id,
            chain.end.t_end_mono_us,
            chain.end.t_end_utc_us,
            None if chain.end.end_reason is None else chain.end.end_reason.value,
            msgspec.msgpack.encode(chain.signing),
        ),
    )


def cameras_known(connection: sqlite3.Connection) -> list[str]:
    """Every camera that ever recorded, by name."""
    found = connection.execute("SELECT camera_id FROM camera_chain ORDER BY camera_id")
    return [camera_id for (camera_id,) in found]


def count_bytes(connection: sqlite3.Connection, what: str, size_bytes: int) -> None:
    """Add to the counter of bytes written for `what`."""
    connection.execute(
        "INSERT INTO counter (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        (f"bytes_{what}", size_bytes),
    )
