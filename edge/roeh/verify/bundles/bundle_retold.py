"""What a bundle tells of its segments and cameras, held against proven records. Pure.

People read the table of a bundle and not its ledger: times, hashes and states in it have to be
those of the records, and its sums those of its lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from roeh.bundle import layout
from roeh.bundle.telling import Tally
from roeh.core.retrieval import ExportRequest
from roeh.ledger.records import SegmentRecord
from roeh.verify.bundles.bag import Bag
from roeh.verify.bundles.proven_part import ProvenPart
from roeh.verify.report import Aspect, Finding, Weight

#: Between the end of a GOP, as the pole has it, and the beginning of the next.
_RHYTHM_US = 600_000


class SegmentFound(msgspec.Struct, frozen=True):
    """A segment's file as it was found here.

    `is_as_recorded`: nothing of it differs from its record; None without one.
    """

    sha256: str
    is_as_recorded: bool | None


class SegmentLines:
    """Reads SEGMENT_LINES.

    Attributes:
        findings: what they tell otherwise than files and records.
        tally: of them all.
    """

    def __init__(
        self,
        bag: Bag,
        request: ExportRequest,
        part: ProvenPart,
        found: Mapping[str, SegmentFound],
    ) -> None:
        self.findings: list[Finding] = []
        self.tally = Tally(request.cameras)
        self._request = request
        self._part = part
        self._found = found
        told: set[tuple[str, int]] = set()
        for number, (line, _) in enumerate(bag.lines(layout.SEGMENT_LINES), 1):
            entry = _entry(line)
            if entry is None or (entry.camera_id, entry.segment) in told:
                why = f"line {number} cannot be read, or is of a segment told before"
                self._find("segment_line_wrong", why, layout.SEGMENT_LINES)
                continue
            if msgspec.json.encode(entry) != line:
                why = f"line {number} is not written as a pole writes it"
                self._find("not_as_written", why, layout.SEGMENT_LINES, weight=Weight.NOT_CHECKED)
            told.add((entry.camera_id, entry.segment))
            self._take(entry)
        self._check_untold(told)

    def _check_untold(self, told: set[tuple[str, int]]) -> None:
        paths = {layout.segment_file(*each) for each in told}
        for path in sorted(self._found.keys() - paths):
            detail = "the bundle has this segment and does not tell of it"
            self._find("segment_untold", detail, path)
        for each in self._part.stretches:
            named = (each.camera_id, each.segment or 0)
            is_pruned = each.segment in self._part.state.pruned.get(each.camera_id, ())
            is_wanted = (
                each.camera_id in self._request.cameras
                and each.from_utc_us < self._request.to_utc_us
                and self._request.from_utc_us < each.to_utc_us
            )
            if each.segment is not None and is_wanted and not is_pruned and named not in told:
                path = layout.segment_file(*named)
                detail = "is on record for this span, and the bundle does not tell of it"
                self._find("segment_untold", detail, path, leaf=each.leaf)

    def _take(self, entry: layout.SegmentEntry) -> None:
        path = layout.segment_file(entry.camera_id, entry.segment)
        if entry.camera_id not in self._request.cameras or entry.path not in {"", path}:
            why = "is of no camera that was asked for, or stands elsewhere"
            self._find("segment_line_wrong", why, path)
            return
        self.tally.segment(entry)
        recorded = self._part.segment(entry.camera_id, entry.segment)
        leaf = None if recorded is None else recorded[0]
        if entry.leaf != leaf:
            why = f"says that its record is leaf {entry.leaf}, and it is {leaf}"
            self._find("segment_line_wrong", why, path, leaf=leaf)
        elif recorded is not None:
            for why in _differing(entry, recorded[1], self._request):
                self._find("segment_line_wrong", f"its line says {why}", path, leaf=leaf)
        pruned = self._part.state.pruned.get(entry.camera_id, ())
        # One that was deleted after it was copied is here all the same.
        if entry.state == "deleted" and entry.segment not in pruned:
            why = "says that it was deleted by rule, and no record does"
            self._find("segment_line_wrong", why, path, leaf=leaf)
        self._take_state(entry, self._found.get(path), path, leaf)

    def _take_state(
        self, entry: layout.SegmentEntry, here: SegmentFound | None, path: str, leaf: int | None
    ) -> None:
        words = "; ".join(entry.damage) or "no more words"
        if entry.state in {"missing", "unreadable"}:
            detail = f"the pole itself found it {entry.state}: {words}"
            self._find(
                "damage_told", detail, path, aspect=Aspect.COMPLETE, weight=Weight.NOTE, leaf=leaf
            )
        if self._request.kind != "full":
            return
        if (here is None) is (entry.path != ""):
            self._find(
                "segment_line_wrong", "says otherwise of whether it is here", path, leaf=leaf
            )
        if here is None:
            return
        if entry.sha256 != here.sha256:
            why = "is not the file that the bundle tells of"
            self._find("segment_line_wrong", why, path, leaf=leaf)
        is_whole = here.is_as_recorded is True
        if is_whole and any(gop.sha256 != gop.sha256_recorded for gop in entry.gops):
            why = "its line says that groups of pictures differ, and none does"
            self._find("segment_line_wrong", why, path, leaf=leaf)
        if entry.state in {"damaged", "unreadable"} and not is_whole:
            detail = f"the pole itself found it so: {words}"
            self._find("damage_told", detail, path, weight=Weight.NOTE, leaf=leaf)
        elif (entry.state == "intact") is not is_whole and leaf is not None:
            detail = f"the bundle calls it {entry.state}, and it is not so"
            self._find("damage_untold", detail, path, leaf=leaf)

    def _find(
        self,
        what: str,
        detail: str,
        path: str,
        *,
        aspect: Aspect = Aspect.BYTES,
        weight: Weight = Weight.FAIL,
        leaf: int | None = None,
    ) -> None:
        self.findings.append(
            Finding(aspect=aspect, weight=weight, what=what, detail=detail, path=path, leaf=leaf)
        )


def check_sums(document: layout.ExportDocument, tally: Tally, part: ProvenPart) -> Iterator[str]:
    """What EXPORT says in sums otherwise than its lines and records, in words.

    Joins and damage's own words are the bundle's; joins are compared elsewhere.
    """
    for camera in document.cameras:
        if camera.camera_id in document.request.cameras:
            for join in camera.joins:
                if join.camera_id == camera.camera_id:
                    tally.join(join)
    for told, counted in zip(document.cameras, tally.cameras(part.gaps), strict=False):
        if told != counted:
            yield f"what it says of {told.camera_id} is not what its lines and records say"
    if [each.camera_id for each in document.cameras] != list(document.request.cameras):
        yield "it tells of other cameras than were asked for"
    if (document.damage, document.damage_count) != tally.damage:
        yield "it tells of other damage than its segments' lines"


def _entry(line: bytes) -> layout.SegmentEntry | None:
    try:
        return msgspec.json.decode(line, type=layout.SegmentEntry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _differing(
    entry: layout.SegmentEntry, record: SegmentRecord, request: ExportRequest
) -> Iterator[str]:
    """What a segment's line says otherwise than its record, in words."""
    offset_us = record.t_utc_us - record.t_first_mono_us
    times = (
        entry.boot_id,
        entry.t_first_mono_us,
        entry.t_end_mono_us,
        entry.from_utc_us,
        entry.to_utc_us,
        entry.end_reason,
    )
    if times != (
        record.boot_id,
        record.t_first_mono_us,
        record.t_end_mono_us,
        record.t_utc_us,
        record.t_end_mono_us + offset_us,
        record.end_reason,
    ):
        yield "another time than its record"
    if (entry.utc_error_us, entry.synchronised) != (record.utc_error_us, record.synchronised):
        yield "another bound of its clock's error than its record"
    if (entry.size_recorded_bytes, entry.sha256_recorded, entry.init_sha256_recorded) != (
        record.size_bytes,
        record.sha256,
        record.init_sha256,
    ):
        yield "other bytes on record than its record"
    if entry.state == "deleted" and not entry.gops:
        return
    wanted = [
        (each.size_bytes, each.sha256, each.gop_counter, each.t_first_mono_us + offset_us)
        for each in record.fragments
    ]
    told = [
        (gop.size_bytes, gop.sha256_recorded, gop.counter, gop.from_utc_us) for gop in entry.gops
    ]
    if told != wanted:
        yield "other groups of pictures than its record"
        return
    ends = [start for *_, start in wanted[1:]] + [record.t_end_mono_us + offset_us]
    for gop, end_us in zip(entry.gops, ends, strict=True):
        is_asked_for = gop.from_utc_us < request.to_utc_us and request.from_utc_us < gop.to_utc_us
        if abs(gop.to_utc_us - end_us) > _RHYTHM_US or gop.is_asked_for is not is_asked_for:
            yield "another time of a group of pictures than its record"
            return
