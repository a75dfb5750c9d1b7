"""Segment files that no record tells of, and where each camera's chain goes on, for a rebuild.

They were open, or closed after the ledger was last mirrored. Their whole fragments are taken
into the index as an open segment, so that the next start cuts, closes and records them as
it does after a power cut. When they were taken is what their stream signatures say, else
what the pictures' own times give, counted from the newest segment on record.

What no record vouches for is never signed again: its stream signatures stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.media_signing import (
    ChainState,
    PendingGop,
    SignedGop,
    gop_hash,
    is_media_signing_sei,
    next_state,
    parse_sei,
)
from roeh.bitstream.mp4_read import FragmentRead, init_size_bytes, read_fragments, read_init
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import NS_PER_US, UNSYNCHRONISED_ERROR_NS
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig
from roeh.ledger.continuity import CameraEnd, EndReason
from roeh.ledger.database import NodeDatabase
from roeh.ledger.records import SegmentRecord
from roeh.ledger.replay import Instant
from roeh.ledger.segment_rows import CameraChain, write_chain
from roeh.ledger.segments import SegmentFile, SegmentFiles

_US_PER_S = 1_000_000
_HASH_BYTES = 32


_Signatures = dict[bytes, dict[int, SignedGop]]


class FoundSegments(msgspec.Struct, frozen=True):
    """What was taken in, and paths of files in which nothing whole was found."""

    segments: int
    fragments: int
    unreadable: tuple[str, ...]


class _Gop(msgspec.Struct, frozen=True):
    """One fragment of a file.

    `hash_list` is what its stream signature lists; empty when it cannot have one. `seis` are
    the signatures that it carries, of groups before it.
    """

    offset_bytes: int
    size_bytes: int
    sha256: bytes
    lasts_us: int
    hash_list: bytes
    seis: tuple[SignedGop, ...]


class _File(msgspec.Struct, frozen=True):
    """What is whole in a segment file."""

    number: int
    config: CodecConfig
    init_bytes: int
    init_sha256: bytes
    gops: tuple[_Gop, ...]


class _Place(msgspec.Struct, frozen=True):
    """Where a camera is between two groups: on the time scales, and in its chain."""

    boot_id: str
    t_mono_us: int
    t_utc_us: int
    counter: int
    linked_hash: bytes


class CameraFiles:
    """One camera's part of a rebuild.

    Args:
        newest: its newest segment on record; None when there is none.
        last: when the newest record was written, or the rebuild began when there is none:
            files without a record were written in that boot.
        age_us: the node's age, for segments of which nothing tells it.
    """

    def __init__(
        self,
        database: NodeDatabase,
        files: SegmentFiles,
        camera_id: str,
        newest: SegmentRecord | None,
        *,
        last: Instant,
        age_us: int,
    ) -> None:
        self._database = database
        self._files = files
        self._camera_id = camera_id
        self._newest = newest
        self._last = last
        self._age_us = age_us

    def take_in(self, present: list[SegmentFile]) -> FoundSegments:
        """Rows for the files after the newest record, and the camera's chain behind them.

        Args:
            present: this camera's files, by number.

        Raises:
            StorageFull, StorageFailed: a file cannot be read, or the rows not be written.
        """
        last_recorded = self._newest.segment if self._newest is not None else 0
        after = [file.number for file in present if file.number > last_recorded]
        recorded = self._read(last_recorded) if self._newest is not None else None
        found = [(number, self._read(number)) for number in after]
        whole = [file for _, file in found if file is not None and file.gops]
        signatures = _read_signatures([*([recorded] if recorded else []), *whole])
        place, pending = self._after_records(recorded, signatures)
        with self._database.writing() as connection:
            if whole:
                place = self._in_last_boot(place)
            for file in whole:
                place = self._insert(connection, file, place, signatures)
            # Files in which nothing is whole count too: no number is used twice.
            last_number = max([last_recorded, *after])
            self._write_chain(connection, place, last_number, pending)
        return FoundSegments(
            segments=len(whole),
            fragments=sum(len(file.gops) for file in whole),
            unreadable=tuple(
                f"{self._camera_id}/{number:08d}.mp4"
                for number, file in found
                if file is None or not file.gops
            ),
        )

    def _read(self, number: int) -> _File | None:
        """What is whole in a file; None when not even its beginning is, or it is not there."""
        try:
            with (
                self._files.reading(self._camera_id, number) as descriptor,
                open(descriptor, "rb", closefd=False) as file,
            ):
                config, init_bytes = read_init(file), init_size_bytes(file)
                init_sha256 = _hash_at(descriptor, 0, init_bytes)
                gops = tuple(_whole_gops(file, config, init_bytes))
        except (Malformed, FileNotFoundError):
            return None
        return _File(number, config, init_bytes, init_sha256, gops)

    def _after_records(
        self, recorded: _File | None, signatures: _Signatures
    ) -> tuple[_Place, tuple[PendingGop, ...]]:
        """Where the newest record leaves the camera, and which of its groups are to be signed."""
        newest = self._newest
        if newest is None:
            return _Place(
                boot_id=self._last.boot_id,
                t_mono_us=self._last.t_mono_us,
                t_utc_us=self._last.t_utc_us,
                counter=0,
                linked_hash=bytes(_HASH_BYTES),
            ), ()
        counter = newest.fragments[-1].gop_counter if newest.fragments else 0
        gops = recorded.gops if recorded is not None else ()
        hashes = [bytes.fromhex(entry.sha256) for entry in newest.fragments]
        is_as_recorded = bool(hashes) and [gop.sha256 for gop in gops[: len(hashes)]] == hashes
        linked_hash = bytes(_HASH_BYTES)
        pending: list[PendingGop] = []
        if is_as_recorded and gops[len(hashes) - 1].hash_list:
            linked_hash = gops[len(hashes) - 1].hash_list[:_HASH_BYTES]
            pending = _unsigned(newest, gops, signatures)
        return _Place(
            boot_id=newest.boot_id,
            t_mono_us=newest.t_end_mono_us,
            t_utc_us=newest.t_utc_us + newest.t_end_mono_us - newest.t_first_mono_us,
            counter=counter,
            linked_hash=linked_hash,
        ), tuple(pending)

    def _in_last_boot(self, place: _Place) -> _Place:
        """The same place on the scales of the boot that the newest record is of."""
        if place.boot_id == self._last.boot_id:
            return place
        # Nothing of this boot is older than the boot itself, whatever UTC says.
        t_mono_us = place.t_utc_us - (self._last.t_utc_us - self._last.t_mono_us)
        began_us = max(0, -t_mono_us)
        return msgspec.structs.replace(
            place,
            boot_id=self._last.boot_id,
            t_mono_us=t_mono_us + began_us,
            t_utc_us=place.t_utc_us + began_us,
        )

    def _insert(
        self,
        connection: sqlite3.Connection,
        file: _File,
        place: _Place,
        signatures: _Signatures,
    ) -> _Place:
        """An open segment with the file's whole fragments; where the camera is behind it."""
        starts = list(_places(file, place, signatures))
        first, end = starts[0], starts[-1]
        size_bytes = file.gops[-1].offset_bytes + file.gops[-1].size_bytes
        (row,) = connection.execute(
            "INSERT INTO segment (camera_id, number, state, capture_id, boot_id, t_first_mono_us,"
            " t_end_mono_us, t_utc_us, utc_error_us, synchronised, began_age_us, codec, width_px,"
            " height_px, is_masked, init_bytes, init_sha256, size_bytes, fragments)"
            " VALUES (?, ?, 'open', '', ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row",
            (
                self._camera_id,
                file.number,
                first.boot_id,
                first.t_mono_us,
                end.t_mono_us,
                first.t_utc_us,
                UNSYNCHRONISED_ERROR_NS // NS_PER_US,
                self._age_us,
                file.config.codec,
                file.config.width_px,
                file.config.height_px,
                self._newest.is_masked if self._newest is not None else False,
                file.init_bytes,
                file.init_sha256,
                size_bytes,
                len(file.gops),
            ),
        ).fetchone()
        for number, gop in enumerate(file.gops):
            begins, ends = starts[number], starts[number + 1]
            connection.execute(
                "INSERT INTO fragment (segment_row, number, capture_seq, offset_bytes, size_bytes,"
                " sha256, gop_counter, t_first_mono_us, t_end_mono_us)"
                " VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)",
                (
                    row,
                    number,
                    gop.offset_bytes,
                    gop.size_bytes,
                    gop.sha256,
                    ends.counter if gop.hash_list else 0,
                    begins.t_mono_us,
                    ends.t_mono_us,
                ),
            )
        return end

    def _write_chain(
        self,
        connection: sqlite3.Connection,
        place: _Place,
        last_number: int,
        pending: tuple[PendingGop, ...],
    ) -> None:
        end = CameraEnd(
            capture_id="",
            capture_seq=0,
            boot_id=place.boot_id,
            t_end_mono_us=place.t_mono_us,
            t_end_utc_us=place.t_utc_us,
            end_reason=EndReason.RECOVERED,
        )
        signing = ChainState(place.counter, place.linked_hash, pending)
        write_chain(connection, self._camera_id, CameraChain(last_number, end, signing))


def _places(file: _File, place: _Place, signatures: _Signatures) -> Iterator[_Place]:
    """Where the camera is before each group of the file, and behind the last one."""
    for number, gop in enumerate(file.gops):
        signed = _signature_after(place, gop, signatures)
        if signed is not None:
            shift_us = signed.t_first_utc_us - place.t_utc_us
            # Time on record never runs backwards, whatever a signature says.
            shift_us = max(shift_us, 0) if number else max(shift_us, -place.t_mono_us)
            place = msgspec.structs.replace(
                place, t_mono_us=place.t_mono_us + shift_us, t_utc_us=place.t_utc_us + shift_us
            )
        yield place
        counter = place.counter
        if gop.hash_list:
            counter = signed.counter if signed is not None else counter + 1
        place = msgspec.structs.replace(
            place,
            t_mono_us=place.t_mono_us + gop.lasts_us,
            t_utc_us=place.t_utc_us + gop.lasts_us,
            counter=counter,
            linked_hash=gop.hash_list[:_HASH_BYTES] or place.linked_hash,
        )
    yield place


def _unsigned(
    newest: SegmentRecord, gops: tuple[_Gop, ...], signatures: _Signatures
) -> list[PendingGop]:
    """Groups on record whose signature is in no file: they are signed with those to come."""
    starts_us = [entry.t_first_mono_us for entry in newest.fragments] + [newest.t_end_mono_us]
    to_utc_us = newest.t_utc_us - newest.t_first_mono_us
    gops = gops[: len(newest.fragments)]
    links = [_link_of_first(newest, gops), *(gop.hash_list[:_HASH_BYTES] for gop in gops)]
    return [
        PendingGop(
            counter=entry.gop_counter,
            linked_hash=links[number],
            hash_list=gops[number].hash_list,
            t_first_utc_us=starts_us[number] + to_utc_us,
            t_end_utc_us=starts_us[number + 1] + to_utc_us,
        )
        for number, entry in enumerate(newest.fragments)
        if gops[number].hash_list
        and links[number]
        and entry.gop_counter not in signatures.get(gop_hash([gops[number].hash_list]), {})
    ]


def _link_of_first(newest: SegmentRecord, gops: tuple[_Gop, ...]) -> bytes:
    """What links the first group of a segment: the anchor of the one in the file before.

    It is told by that one's signature where this segment holds it; empty when it is not told.
    """
    before = newest.fragments[0].gop_counter - 1
    if before == 0:
        return bytes(_HASH_BYTES)
    for sei in (sei for gop in gops for sei in gop.seis):
        if sei.counter == before and sei.hash_list:
            return sei.hash_list[0]
    return b""


def _read_signatures(files: list[_File]) -> _Signatures:
    """Every stream signature in these files, by the hash of its group and then by counter.

    Groups of a picture that stands still may be the same to the bit.
    """
    found: _Signatures = {}
    for sei in (sei for file in files for gop in file.gops for sei in gop.seis):
        found.setdefault(sei.gop_hash, {})[sei.counter] = sei
    return found


def _signature_after(place: _Place, gop: _Gop, signatures: _Signatures) -> SignedGop | None:
    """The first signature of such a group that counts beyond the place.

    One that follows the same group and counts further is that of a twin: an unmoving picture
    may come again to the bit.
    """
    of_hash = signatures.get(gop_hash([gop.hash_list]), {}) if gop.hash_list else {}
    later = [
        counter
        for counter, signed in of_hash.items()
        if counter == place.counter + 1
        or (counter > place.counter and signed.linked_hash != place.linked_hash)
    ]
    return of_hash[min(later)] if later else None


def _whole_gops(file: BinaryIO, config: CodecConfig, init_bytes: int) -> Iterator[_Gop]:
    """The fragments up to the first that is not whole or does not follow."""
    end_bytes = init_bytes
    fragments = read_fragments(file)
    while True:
        try:
            fragment = next(fragments, None)
        except Malformed:
            return
        if fragment is None or fragment.offset_bytes != end_bytes or not fragment.units:
            return
        end_bytes += fragment.size_bytes
        yield _gop(file, fragment, config)


def _gop(file: BinaryIO, fragment: FragmentRead, config: CodecConfig) -> _Gop:
    is_signable = config.codec == "h264"
    return _Gop(
        offset_bytes=fragment.offset_bytes,
        size_bytes=fragment.size_bytes,
        sha256=_hash_at(file.fileno(), fragment.offset_bytes, fragment.size_bytes),
        lasts_us=max(0, fragment.end_dts - fragment.base_dts) * _US_PER_S // TICKS_PER_S,
        hash_list=_hash_list(fragment.units) if is_signable else b"",
        seis=tuple(_seis(fragment.units[0])) if is_signable else (),
    )


def _hash_list(units: tuple[AccessUnit, ...]) -> bytes:
    """The slice hashes of a group; empty when it cannot be signed."""
    try:
        return next_state(ChainState(), units, 0, 0).pending[0].hash_list
    except EvidenceRefused:
        return b""


def _seis(unit: AccessUnit) -> Iterator[SignedGop]:
    try:
        nals = list(split_length_prefixed(unit.nal_units))
    except Malformed:
        return
    for nal in nals:
        if not is_media_signing_sei(nal):
            continue
        try:
            signed = parse_sei(nal)
        except Malformed:
            continue
        if signed is not None and not signed.is_partial:
            yield signed


def _hash_at(descriptor: int, offset_bytes: int, size_bytes: int) -> bytes:
    """SHA-256 of a stretch of an open file."""
    found = hashlib.sha256()
    end_bytes = offset_bytes + size_bytes
    while offset_bytes < end_bytes:
        part = os.pread(descriptor, min(end_bytes - offset_bytes, 1 << 20), offset_bytes)
        if not part:
            break
        found.update(part)
        offset_bytes += len(part)
    return found.digest()
