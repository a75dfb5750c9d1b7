"""Clips: whole GOPs of one or several segments in one file, without transcoding.

The signature of a GOP stands before a later one. So that every signature of a clip is of a
GOP in it, and every GOP asked for has its own:

1. it begins at the key picture at or before the start asked for,
2. signatures of GOPs before that one are left out,
3. it goes on past the end asked for until the signature of the last GOP asked for is in.

The last GOP of a clip is therefore always one whose signature is not in it. A clip is a
derivative: its fragments are not those that the ledger knows.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.media_signing import gop_hash, is_media_signing_sei, slice_hashes
from roeh.bitstream.mp4_read import read_fragments, read_init
from roeh.bitstream.mp4_write import fragment, init_segment, note_box
from roeh.bitstream.nal import Octets, is_slice, join_length_prefixed, split_length_prefixed
from roeh.bitstream.signing_sei import SignedGop, parse_sei
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig
from roeh.core.types import TimeUs

#: How many GOPs late a signature may be and still be found.
MAX_LATE_GOPS = 8
#: Shorter than this a GOP's end and the next one's start are the same instant.
_NO_GAP_US = 1_000_000
_COUNTERS = 1 << 32


class ClipGop(msgspec.Struct, frozen=True, kw_only=True):
    """A stored GOP and when it was.

    Attributes:
        config: of its segment.
        units: its pictures as stored, signatures included.
        end_dts: where the last picture ends, on the scale of the units.
        t_first_us: when the first picture was taken, on one scale for all GOPs of a clip.
        t_end_us: when it ends.
    """

    config: CodecConfig
    units: tuple[AccessUnit, ...]
    end_dts: int
    t_first_us: TimeUs
    t_end_us: TimeUs


def gops_of_segment(source: Octets | BinaryIO, t_first_us: int = 0) -> Iterator[ClipGop]:
    """The GOPs of a segment that began at a time.

    Raises:
        Malformed: what was given before the damage is whole.
    """
    config = read_init(source)
    for read in read_fragments(source):
        yield ClipGop(
            config=config,
            units=read.units,
            end_dts=read.end_dts,
            t_first_us=t_first_us + _us(read.base_dts),
            t_end_us=t_first_us + _us(read.end_dts),
        )


def cut(gops: Iterable[ClipGop], t_from_us: int, t_to_us: int, note: str = "") -> Iterator[bytes]:
    """A clip of a span, piece by piece: the init segment, then fragments.

    Args:
        gops: stored GOPs of one camera in order, from at or before `t_from_us` to some GOPs
            past `t_to_us`.
        t_from_us: start on the GOPs' scale.
        t_to_us: end, exclusive.
        note: what the file says of itself.

    Raises:
        EvidenceRefused: there is no video in the span, or its format changes.
    """
    return join(_asked_for(gops, t_from_us, t_to_us), note)


def join(gops: Iterable[ClipGop], note: str = "") -> Iterator[bytes]:
    """All of these GOPs in one file, piece by piece; gaps stay gaps.

    Raises:
        EvidenceRefused: there is none, or the format changes.
    """
    first: ClipGop | None = None
    before: ClipGop | None = None
    base_dts = 0
    for number, gop in enumerate(_without_foreign_signatures(iter(gops)), 1):
        if first is None:
            first = gop
            yield init_segment(gop.config) + (note_box(note) if note else b"")
        elif gop.config != first.config:
            raise EvidenceRefused(
                what="the format of the pictures changes inside the clip",
                which=f"GOP {number} of it",
                remedy="cut one clip up to there and another from there",
            )
        if before is not None and gop.t_first_us - before.t_end_us >= _NO_GAP_US:
            base_dts += (gop.t_first_us - before.t_end_us) * TICKS_PER_S // 1_000_000
        yield fragment(number, base_dts, gop.units, gop.end_dts)
        base_dts += gop.end_dts - gop.units[0].dts
        before = gop
    if first is None:
        raise EvidenceRefused(
            what="no video",
            which="the span of a clip",
            remedy="ask for a time that `roeh evidence list` shows",
        )


def _asked_for(gops: Iterable[ClipGop], t_from_us: int, t_to_us: int) -> Iterator[ClipGop]:
    """Those in the span, and those after it that bring the signature of its last one."""
    last: ClipGop | None = None
    late: list[ClipGop] = []
    for gop in gops:
        if gop.t_end_us <= t_from_us:
            continue
        if gop.t_first_us < t_to_us:
            last = gop
            yield gop
            continue
        if last is None:
            return
        late.append(gop)
        names = _names(last)
        if any(_name(signed) in names for signed in _signatures(gop)):
            yield from late
            return
        if len(late) == MAX_LATE_GOPS:
            break
    # Its signature never came: one more GOP shows that, and nothing more is dragged in.
    yield from late[:1]


def _without_foreign_signatures(gops: Iterator[ClipGop]) -> Iterator[ClipGop]:
    """The GOPs without signatures of GOPs that stand before the first of them."""
    head = list(itertools.islice(gops, MAX_LATE_GOPS))
    first_counter = _first_counter(head)
    for index, gop in enumerate(head):
        yield _filtered(gop, index, first_counter)
    yield from gops


def _first_counter(head: list[ClipGop]) -> int | None:
    """The counter of the first GOP, told by any signature of one of these."""
    indices: dict[bytes, int] = {}
    for index, gop in enumerate(head):
        for signed in _signatures(gop):
            if _name(signed) in indices:
                return signed.counter - indices[_name(signed)]
        indices |= dict.fromkeys(_names(gop), index)
    return None


def _filtered(gop: ClipGop, index: int, first_counter: int | None) -> ClipGop:
    if gop.config.codec != "h264":
        return gop
    units = tuple(_unit_filtered(unit, index, first_counter) for unit in gop.units)
    return msgspec.structs.replace(gop, units=units)


def _unit_filtered(unit: AccessUnit, index: int, first_counter: int | None) -> AccessUnit:
    nals = _nals(unit)
    kept = [nal for nal in nals if not _is_foreign(nal, index, first_counter)]
    if len(kept) == len(nals):
        return unit
    return msgspec.structs.replace(unit, nal_units=join_length_prefixed(kept))


def _is_foreign(nal: Octets, index: int, first_counter: int | None) -> bool:
    """Whether it is the signature of a GOP before the clip.

    In the first GOP every signature is; later one is when its counter says so. One that
    cannot be read is kept: damage is never cut away.
    """
    if not is_media_signing_sei(nal):
        return False
    if index == 0:
        return True
    try:
        signed = parse_sei(nal)
    except Malformed:
        return False
    if signed is None or first_counter is None:
        return False
    return (signed.counter - first_counter) % _COUNTERS >= _COUNTERS // 2


def _signatures(gop: ClipGop) -> Iterator[SignedGop]:
    """The media signatures in a GOP that can be read."""
    if gop.config.codec != "h264":
        return
    for unit in gop.units:
        for nal in _nals(unit):
            if is_media_signing_sei(nal):
                with contextlib.suppress(Malformed):
                    signed = parse_sei(nal)
                    if signed is not None:
                        yield signed


def _name(signed: SignedGop) -> bytes:
    """What tells the GOP that is signed from any other: its anchor, or else its hash."""
    return signed.hash_list[0] if signed.hash_list else signed.gop_hash


def _names(gop: ClipGop) -> set[bytes]:
    """What a signature of this GOP may name it by; nothing when it has no slice."""
    slices = (nal for unit in gop.units for nal in _nals(unit) if is_slice(gop.config.codec, nal))
    hashes = slice_hashes(slices)
    return {hashes[0], gop_hash(hashes)} if hashes else set()


def _nals(unit: AccessUnit) -> list[memoryview]:
    """Its NAL units; none of a damaged picture, which stays in the clip as it is stored."""
    try:
        return list(split_length_prefixed(unit.nal_units))
    except Malformed:
        return []


def _us(ticks: int) -> int:
    return ticks * 1_000_000 // TICKS_PER_S
